"""What one channel has taught in one operating state, and its form in the journal and as a model package.

Duty: keep rows in bounded memory while learning, hold the loaded model afterwards, to and from JSON. Decides
neither when learning ends nor what a score means (`models.detector`).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dsp.extractor import FeatureVector
from dsp.samples import Float32Array
from models.backends.numpy_reference import NUMPY_REFERENCE, NumpyReference
from models.baseline import Baseline, from_artefact, to_artefact
from models.manifest import Artefact, ModelKind, ModelManifest
from models.network_seat import NetworkSeat, SeatScore
from models.one_class_judge import LEAST_ROWS, ROBUST, JudgeName, OneClassJudge, fit_judge

ROBUST_BASELINE = "robust-baseline-1"
_MAX_ROWS = 512  # of a baseline while it is learned; beyond, every second one is kept


@dataclass(slots=True)
class LearnedState:
    """What one channel taught in one operating state: rows while learning, a loaded model afterwards.

    Rows are kept beside the model only for a detector that is fitted to them again (`judged_by`).
    """

    names: tuple[str, ...]
    extractor_version: str
    rows: list[Float32Array] = field(default_factory=list)
    stride: int = 1  # every how many windows one row is kept
    windows: int = 0
    learned_s: float = 0.0
    confirmed_s: float = 0.0  # run below the limit since
    last_start_ns: int | None = None
    baseline: Baseline | None = None
    version: str = ""
    model: NumpyReference = field(default_factory=NumpyReference)
    judge: OneClassJudge | None = None  # in the place of the model's statistic, where a person chose one
    seat: NetworkSeat | None = None  # of a network, before both

    def running_s(self, features: FeatureVector, longest_step_s: float = 0.0) -> float:
        """New running time that this window adds: overlap with the one before counts once.

        Where windows come seldom, each stands for the time since the one before it, up to `longest_step_s`.
        """
        added_s = features.duration_s
        if self.last_start_ns is not None:
            since_s = (features.start_ns - self.last_start_ns) / 1e9
            if 0.0 <= since_s <= max(features.duration_s, longest_step_s):
                added_s = since_s
        self.last_start_ns = features.start_ns
        return added_s

    def keep(self, row: Float32Array) -> None:
        if self.windows % self.stride == 0:
            self.rows.append(row.copy())
        self.windows += 1
        if len(self.rows) > _MAX_ROWS:
            self.thin()

    def thin(self) -> None:
        """Give up every second row, of those to come too."""
        self.rows = self.rows[::2]
        self.stride *= 2

    def judged_by(self, name: JudgeName) -> None:
        """Score by this detector from now on, fitted to the rows that are kept; the baseline is in service.

        What was learned without keeping rows, or from too few, stays judged by the baseline.
        """
        assert self.baseline is not None
        self.judge = None
        if name == ROBUST:
            self.rows = []
        elif len(self.rows) >= LEAST_ROWS:
            self.judge = fit_judge(name, self.baseline, np.array(self.rows))

    def score(self, features: FeatureVector) -> SeatScore:
        """Score of one window, 1.0 = limit, and by whom ("" the baseline).

        NaN where the row states nothing. Whoever has the seat is asked first; where nobody answers, the
        detector that was chosen, or the baseline's own statistic.
        """
        batch = features.values[np.newaxis, :]
        if self.baseline is not None:
            if self.seat is not None:
                found = self.seat.score(self.baseline, features)
                if found is not None:
                    return found
            if self.judge is not None:
                value = float(self.judge.scores(self.baseline, batch)[0])
                return SeatScore(value, self.judge.name, NUMPY_REFERENCE)
        return SeatScore(float(self.model.infer(batch)[0]), "", NUMPY_REFERENCE)

    def tell(self, features: FeatureVector, value: float) -> None:
        """A window was given this score: whoever compares himself with it hears."""
        if self.seat is not None and self.baseline is not None:
            self.seat.told(self.baseline, features, value)

    def load(self, baseline: Baseline) -> None:
        """Take the baseline into service through the reference backend, as any model package would be."""
        artefact, manifest = as_package(baseline, self.extractor_version)
        self.model.load(manifest, artefact)
        self.baseline = baseline
        self.version = f"{ROBUST_BASELINE}/{manifest.version}"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready fields; rows as base64 of little-endian float32, a quarter of their size as text."""
        rows = np.array(self.rows, dtype="<f4").tobytes() if self.rows else b""
        return {
            "feature_names": list(self.names),
            "extractor_version": self.extractor_version,
            "windows": self.windows,
            "stride": self.stride,
            "learned_s": self.learned_s,
            "confirmed_s": self.confirmed_s,
            "rows": base64.b64encode(rows).decode(),
            "baseline": None if self.baseline is None else to_artefact(self.baseline).decode(),
        }

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> LearnedState:
        """Back from `to_json`. Raises KeyError, TypeError, ValueError or ArtefactError for what is not."""
        names = tuple(str(name) for name in entry["feature_names"])
        values = np.frombuffer(base64.b64decode(entry["rows"], validate=True), dtype="<f4")
        if not names or len(values) % len(names):
            raise ValueError(f"{len(values)} values are not rows of {len(names)} features")
        learned = cls(
            names=names,
            extractor_version=str(entry["extractor_version"]),
            rows=list(values.astype(np.float32).reshape(-1, len(names))),
            stride=max(1, int(entry["stride"])),
            windows=int(entry["windows"]),
            learned_s=float(entry["learned_s"]),
            confirmed_s=float(entry["confirmed_s"]),
        )
        if entry["baseline"] is not None:
            baseline = from_artefact(entry["baseline"].encode())
            if baseline.feature_names != names:
                raise ValueError("the baseline's features are not the state's")
            learned.load(baseline)
        return learned


def as_package(baseline: Baseline, extractor_version: str) -> tuple[bytes, ModelManifest]:
    """A baseline as a model package: its artefact and the manifest that describes it."""
    artefact = to_artefact(baseline)
    digest = hashlib.sha256(artefact).hexdigest()
    manifest = ModelManifest(
        name=ROBUST_BASELINE,
        version=digest[:12],
        kind=ModelKind.ANOMALY_SCORE,
        feature_names=baseline.feature_names,
        input_shape=(len(baseline.feature_names),),
        extractor_version=extractor_version,
        artefacts=(Artefact(NUMPY_REFERENCE, digest, len(artefact), baseline.limit),),
    )
    return artefact, manifest
