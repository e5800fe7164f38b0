"""From blocks of any length to windows of one length."""

from __future__ import annotations

from dataclasses import dataclass

from dsp.samples import Float32Array, Quality, SampleBlock, TimeQuality


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one channel without a gap, of the framer's length (shorter only out of `flush`)."""

    channel_id: str
    start_ns: int
    sample_rate_hz: float
    samples: Float32Array  # (n_samples,)
    quality: Quality
    time_quality: TimeQuality


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Windows of several channels of equal length and rate, with what was known of the machine then."""

    channel_ids: tuple[str, ...]
    start_ns: tuple[int, ...]
    sample_rate_hz: tuple[float, ...]
    samples: Float32Array  # (n_windows, n_samples)
    qualities: tuple[Quality, ...]
    operating_states: tuple[str, ...]


class Framer:
    """Cuts one channel's blocks into windows of `window_samples`, a new one each `hop_samples`.

    A time jump of more than half a sample interval plus the blocks' jitter allowance, or a call of
    `interrupt`, drops the partial window: no window ever spans a gap.
    """

    def __init__(self, channel_id: str, window_samples: int, hop_samples: int) -> None:
        raise NotImplementedError

    def push(self, block: SampleBlock) -> list[Window]:
        """Windows completed by this block, oldest first."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Forget the partial window: samples are missing here."""
        raise NotImplementedError

    def flush(self, min_samples: int) -> list[Window]:
        """At the end of a recording: what is left as one shorter window, if it has `min_samples`."""
        raise NotImplementedError
