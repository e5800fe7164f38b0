"""Windows of 8192 samples to feature vectors, by either engine.

Duty: a `FeatureExtractor` of the features in `WindowParameters.names`. It chooses the engine, refuses windows
that its parameters do not fit, and writes extractor version and parameters on every vector, so that a stored
capture can be computed again later and compared. The trend features of longer windows are `dsp.extractor`'s.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from dsp.errors import DspError
from dsp.extractor import FeatureVector
from dsp.framing import WindowBatch
from dsp.lanes.engine import LaneEngine
from dsp.samples import Float32Array
from dsp.window_features import window_features
from dsp.window_parameters import WINDOW_SAMPLES, WindowParameters

WINDOW_EXTRACTOR = "window-1"
# Fault lines are sought within a tolerance of 2 % as a rule: the rate may take a tenth of that.
_RATE_TOLERANCE = 0.002


class Engine(StrEnum):
    """What computes the features; both agree within 5e-6."""

    LANES = "lanes"  # compiled, float32, sixteen windows at once
    SCIPY = "scipy"  # float64, no compiler


class WindowExtractor:
    """Features of 8192-sample windows of channels in m/s2, one vector per window.

    `names` and `parameters` are fixed at construction; threads may share one extractor. Raises DspError for
    an engine that is not in `Engine`.
    """

    names: tuple[str, ...]

    def __init__(self, parameters: WindowParameters, engine: str = Engine.LANES) -> None:
        if engine not in set(Engine):
            raise DspError(f"engine is {engine!r}; {' or '.join(repr(str(e)) for e in Engine)} is needed")
        self.parameters = parameters
        self.engine = Engine(engine)
        self.names = parameters.names
        self.version = f"{WINDOW_EXTRACTOR} {parameters.text}"
        # Engines that no thread is using: each owns working memory, so no two threads may share one.
        self._idle: list[LaneEngine] = []

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache, ahead of the first window."""
        self.values(np.zeros((1, WINDOW_SAMPLES), np.float32))

    def extract(self, windows: WindowBatch) -> list[FeatureVector]:
        """One vector per window of the batch, in its order; values float32.

        A window that holds NaN or infinity has NaN for every feature, a constant one for every ratio. Raises
        DspError for windows of another length, or of a rate more than 0.2 % from the parameters'.
        """
        n_windows = len(windows.channel_ids)
        if windows.samples.shape != (n_windows, WINDOW_SAMPLES):
            raise DspError(
                f"windows of shape {windows.samples.shape}; ({n_windows}, {WINDOW_SAMPLES}) is needed"
            )
        for channel_id, rate_hz in zip(windows.channel_ids, windows.sample_rate_hz, strict=True):
            if not abs(rate_hz / self.parameters.sample_rate_hz - 1.0) <= _RATE_TOLERANCE:
                raise DspError(
                    f"channel {channel_id!r} has a rate of {rate_hz} Hz; this extractor was built for "
                    f"{self.parameters.sample_rate_hz} Hz"
                )
        values = self.values(windows.samples)
        return [
            FeatureVector(
                channel_id=windows.channel_ids[i],
                start_ns=windows.start_ns[i],
                duration_s=WINDOW_SAMPLES / windows.sample_rate_hz[i],
                names=self.names,
                values=values[i],
                operating_state=windows.operating_states[i],
                quality=windows.qualities[i],
                extractor_version=self.version,
            )
            for i in range(n_windows)
        ]

    def values(self, samples: Float32Array) -> Float32Array:
        """Features `(n_windows, n_features)` of samples `(n_windows, 8192)`, as if of the parameters' rate.

        For callers that account for the true rate themselves. NaN where `extract` says so.
        """
        if self.engine is Engine.SCIPY:
            with np.errstate(over="ignore"):
                return window_features(samples, self.parameters).astype(np.float32)
        engine = self._take()
        try:
            return engine.batch(np.asarray(samples, np.float32))
        finally:
            self._idle.append(engine)

    def _take(self) -> LaneEngine:
        try:
            return self._idle.pop()
        except IndexError:
            return LaneEngine(self.parameters)
