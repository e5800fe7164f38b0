"""Recordings of a folder as training rows: through the product's own extractor, channel by channel.

Duty: which files teach, and what is said of those that cannot. Healthy is what a sidecar or MANIFEST.json
calls so, and what nobody said anything of; what they call faulty only judges, and of captures what an alarm
triggered. Nothing is concluded from a file's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from appliance.capture_segment import decode_segment
from appliance.errors import Rejected
from appliance.sources.recording_notes import RecordingNotes, read_notes
from appliance.sources.recordings import Recording, RecordingError, read_recording
from dsp.errors import DspError
from dsp.framing import trend_window_samples
from models.training.row_inputs import RowExtractor, RowInput, extractor_of, rows_made_by
from models.training.rows import Stretch, TrainingRows
from models.training.simulated_rows import rows_of_channel

NOTES = frozenset({".toml", ".json", ".md", ".txt", ".html"})
CAPTURE = ".stcap"
_RATE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class _Read:
    recording: Recording
    notes: RecordingNotes

    @property
    def kind(self) -> tuple[int, str]:
        """What recordings must share to teach one network: rate, to 1 %, and unit."""
        return round(self.recording.sample_rate_hz), self.recording.unit


def folder_rows(
    folder: Path, say: Callable[[str], None], made_of: RowInput = RowInput.FEATURES
) -> TrainingRows:
    """Rows of every recording under a folder. Raises Rejected where none can be used."""
    return _rows_of(folder, list(_recordings(folder, say)), say, made_of)


def captured_rows(
    folder: Path, say: Callable[[str], None], made_of: RowInput = RowInput.FEATURES
) -> TrainingRows:
    """Rows of the captures (`.stcap`) under a folder. Raises Rejected where none can be used.

    What people asked for is healthy, what an alarm triggered is faulty; a sidecar that says so goes before.
    """
    read = [
        replace(one, notes=replace(one.notes, healthy=_asked_for(one.recording.path)))
        if one.notes.healthy is None
        else one
        for one in _recordings(folder, say, CAPTURE)
    ]
    return _rows_of(folder, read, say, made_of)


def _asked_for(path: Path) -> bool:
    """Whether people alone asked for a capture: a trigger by hand names its actor, an alarm's its alarm."""
    triggers = decode_segment(path.read_bytes()).head.triggers
    return bool(triggers) and all("alarm_id" not in trigger for trigger in triggers)


def _rows_of(folder: Path, read: list[_Read], say: Callable[[str], None], made_of: RowInput) -> TrainingRows:
    if not read:
        raise Rejected(f"{folder}: there is no recording that can be read")
    kinds = Counter(one.kind for one in read if one.notes.healthy is not False)
    if not kinds:
        raise Rejected(f"{folder}: no recording is healthy; a network learns from healthy running only")
    (rate_hz, unit), _ = kinds.most_common(1)[0]
    extractor = extractor_of(made_of, float(rate_hz), trend_window_samples(rate_hz), unit)
    stretches: list[Stretch] = []
    used = 0
    for one in read:
        own_rate_hz = one.recording.sample_rate_hz
        if abs(own_rate_hz / rate_hz - 1.0) > _RATE_TOLERANCE or one.recording.unit != unit:
            say(
                f"{one.recording.path}: {own_rate_hz:g} Hz in {one.recording.unit!r} cannot teach beside"
                f" {rate_hz:g} Hz in {unit!r}, left out"
            )
            continue
        found = list(_stretches(one, extractor, say))
        if not found:
            say(f"{one.recording.path}: shorter than {extractor.window_samples} samples, left out")
        used += bool(found)
        stretches += found
    origin = f"{used} recordings of a folder, {rate_hz:g} Hz, unit {unit!r}"
    return rows_made_by(extractor, stretches, origin)


def _recordings(folder: Path, say: Callable[[str], None], suffix: str = "") -> Iterator[_Read]:
    for path in sorted(folder.rglob(f"*{suffix}")):
        if not path.is_file() or path.suffix.lower() in NOTES or path.name.startswith("."):
            continue
        try:
            notes = read_notes(path, "machine")
            yield _Read(read_recording(path, notes.sample_rate_hz, notes.unit), notes)
        except (RecordingError, DspError) as error:
            say(f"{error}, left out")


def _stretches(one: _Read, extractor: RowExtractor, say: Callable[[str], None]) -> Iterator[Stretch]:
    fault = "faulty" if one.notes.healthy is False else ""
    for index, name in enumerate(one.recording.channel_names):
        if all(np.ptp(segment.samples[:, index]) == 0.0 for segment in one.recording.segments):
            say(f"{one.recording.path}: channel {name!r} never changes, left out")
            continue
        for segment in one.recording.segments:
            values = rows_of_channel(extractor, segment.samples[:, index])
            if len(values):
                yield Stretch(values, name, fault)
