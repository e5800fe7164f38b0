"""A recording's stretches cut into records of evidence, as the replay and the live appliance cut them.

Duty: framing only. What the records say is `models.diagnosis`' question.
"""

from __future__ import annotations

from collections.abc import Iterable

from dsp.framing import Framer, Window
from dsp.samples import Float32Array, Quality, SampleBlock, TimeQuality
from models.diagnosis_settings import DiagnosisSettings


def recording_records(
    channel_id: str, segments: Iterable[Float32Array], sample_rate_hz: float, settings: DiagnosisSettings
) -> Iterable[Window]:
    """Records `(n_samples,)` of gap-free stretches: one each hop, and what is left at the end of each."""
    for segment in segments:
        framer = Framer(
            channel_id,
            round(settings.record_s * sample_rate_hz),
            round(settings.record_hop_s * sample_rate_hz),
        )
        block = SampleBlock(channel_id, 0, 0, TimeQuality.RECORDED, sample_rate_hz, segment, Quality.GOOD)
        yield from framer.push(block)
        yield from framer.flush(round(settings.min_record_s * sample_rate_hz))
