"""From what sources deliver to what can be judged: one machine's blocks and tags become whole windows.

Duty: framing of every acceleration channel, and for each window and evidence record what the tags said of
the machine then. Looks at no vibration sample's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.analysis_cadence import SeldomFramer
from appliance.analysis_settings import AnalysisSettings
from dsp.framing import Framer, Window, trend_window_samples
from dsp.samples import Channel, Gap, Measurand, Quality, SampleBlock, SourceItem
from models.diagnosis_settings import DiagnosisSettings
from models.machine import Machine
from models.operating_state import UNKNOWN_STATES, OperatingState, OperatingStateTracker
from models.record_length import settings_at_speed

_RATE_TOLERANCE = 0.06  # MEMS oscillators run up to 5 % off their nominal rate
_SHORTEST_WINDOW_S = 0.05
_SHORTEST_WINDOW_SAMPLES = 64
_SHORTEST_RECORD_SAMPLES = 256


@dataclass(frozen=True, slots=True)
class Shaft:
    """Shaft speed for a record: the value, and how far it may be off (relative)."""

    speed_hz: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class DueWindow:
    """A whole trend window, with the operating state at its end."""

    window: Window
    end_ns: int
    state: OperatingState


@dataclass(frozen=True, slots=True)
class DueRecord:
    """A whole evidence record of steady running.

    `label` is the operating state whose baseline is right for it: the last one known where tags are stale.
    """

    record: Window
    end_ns: int
    state: OperatingState
    label: str
    shaft: Shaft | None


@dataclass(slots=True)
class Intake:
    """What some items completed, each list oldest first."""

    windows: list[DueWindow] = field(default_factory=list)
    records: list[DueRecord] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    refused: list[SampleBlock] = field(default_factory=list)  # of another rate than the channel's

    def sort(self) -> Intake:
        """In order of time, across channels."""
        self.windows.sort(key=lambda due: due.end_ns)
        self.records.sort(key=lambda due: due.end_ns)
        return self


@dataclass(slots=True)
class _Framers:
    """The two framings of one channel, and whether a whole window ever came out."""

    channel: Channel
    windows: Framer | SeldomFramer
    records: Framer | SeldomFramer
    framed: bool = False

    def interrupt(self) -> None:
        self.windows.interrupt()
        self.records.interrupt()


class MachineIntake:
    """Frames the acceleration channels of one machine and follows its tags; other channels are ignored."""

    def __init__(self, machine: Machine, channels: Sequence[Channel], settings: AnalysisSettings) -> None:
        self._machine = machine
        self._diagnosis = settings_at_speed(settings.diagnosis, machine.bearing, machine.nominal_shaft_hz)
        self._framers = {
            channel.channel_id: _framers(channel, settings, self._diagnosis)
            for channel in channels
            if channel.measurand is Measurand.ACCELERATION
        }
        self._tags = {
            channel.channel_id: channel.measurand
            for channel in channels
            if channel.measurand is not Measurand.ACCELERATION
        }
        self._settings = settings.operating_state
        self._tracker = self._new_tracker()
        self.state = self._tracker.at(0)  # at the newest window's end
        self.newest_ns = 0
        self._known_label = ""

    def take(self, items: Sequence[SourceItem]) -> Intake:
        """Items in the order they came."""
        intake = Intake()
        for item in items:
            if isinstance(item, Gap):
                intake.gaps.append(item)
                self._lost(item.channel_id)
            elif item.channel_id in self._tags:
                self._tag(item)
            elif item.channel_id in self._framers:
                self._block(item, intake)
        return intake.sort()

    def flush(self) -> Intake:
        """The end of a recording: what is left.

        A rest of a window counts only where no whole window ever came: features of another length do not
        compare. A rest of a record does, as long as `min_record_s`.
        """
        intake = Intake()
        for framers in self._framers.values():
            rate_hz = framers.channel.sample_rate_hz
            shortest = max(_SHORTEST_WINDOW_SAMPLES, round(_SHORTEST_WINDOW_S * rate_hz))
            windows = framers.windows.flush(framers.windows.window_samples if framers.framed else shortest)
            records = framers.records.flush(
                max(_SHORTEST_RECORD_SAMPLES, round(self._diagnosis.min_record_s * rate_hz))
            )
            self._due(windows, records, intake)
        return intake.sort()

    def state_at(self, time_ns: int) -> OperatingState:
        """The operating state at a time that is not long before the newest tag."""
        return self._tracker.at(time_ns)

    def bins(self) -> list[int | None]:
        """Present bins of speed and load, JSON-ready."""
        return list(self._tracker.bins())

    def prefer(self, bins: Any) -> None:
        """Start in the bins that `bins` gave before a restart; what is not of that form is left out."""
        if isinstance(bins, list) and len(bins) == 2 and all(b is None or type(b) is int for b in bins):
            self._tracker.prefer(*bins)

    def interrupt(self) -> None:
        """What comes next does not follow what came before: no window spans the seam, tags are void."""
        for framers in self._framers.values():
            framers.interrupt()
        self._tracker = self._new_tracker()

    def _new_tracker(self) -> OperatingStateTracker:
        measured = set(self._tags.values())
        return OperatingStateTracker(
            self._machine.nominal_shaft_hz,
            Measurand.SHAFT_SPEED in measured,
            Measurand.LOAD in measured,
            self._settings,
        )

    def _block(self, block: SampleBlock, intake: Intake) -> None:
        framers = self._framers[block.channel_id]
        nominal_hz = framers.channel.sample_rate_hz
        if block.quality is Quality.BAD:
            framers.interrupt()
        elif not abs(block.sample_rate_hz - nominal_hz) <= _RATE_TOLERANCE * nominal_hz:
            framers.interrupt()
            intake.refused.append(block)
        else:
            windows = framers.windows.push(block)
            framers.framed = framers.framed or bool(windows)
            self._due(windows, framers.records.push(block), intake)

    def _tag(self, block: SampleBlock) -> None:
        if block.quality is Quality.BAD:
            self._lost(block.channel_id)
            return
        measurand = self._tags[block.channel_id]
        for value in block.samples.tolist():
            if measurand is Measurand.SHAFT_SPEED:
                self._tracker.speed(block.start_ns, value)
            elif measurand is Measurand.LOAD:
                self._tracker.load(block.start_ns, value)

    def _lost(self, channel_id: str) -> None:
        """Samples of this channel are missing, or void."""
        if channel_id in self._framers:
            self._framers[channel_id].interrupt()
        elif self._tags.get(channel_id) is Measurand.SHAFT_SPEED:
            self._tracker.speed_lost()
        elif self._tags.get(channel_id) is Measurand.LOAD:
            self._tracker.load_lost()

    def _due(self, windows: Sequence[Window], records: Sequence[Window], intake: Intake) -> None:
        for window in windows:
            due = DueWindow(window, end_ns_of(window), self._tracker.at(end_ns_of(window)))
            if due.state.learnable:
                self._known_label = due.state.label
            if due.end_ns >= self.newest_ns:
                self.state, self.newest_ns = due.state, due.end_ns
            intake.windows.append(due)
        for record in records:
            end_ns = end_ns_of(record)
            state = self._tracker.at(end_ns)
            tolerance = self._diagnosis.measured_speed_tolerance
            if state.rated and self._tracker.steady_over(record.start_ns, end_ns, tolerance):
                label = self._known_label if state.label in UNKNOWN_STATES else state.label
                shaft = self._shaft(record.start_ns, end_ns)
                intake.records.append(DueRecord(record, end_ns, state, label or state.label, shaft))

    def _shaft(self, start_ns: int, end_ns: int) -> Shaft | None:
        """Speed over a record: measured where the tag is fresh, else from the plate."""
        measured_hz = self._tracker.shaft_hz_over(start_ns, end_ns)
        if measured_hz is not None and measured_hz > 0.0:
            return Shaft(measured_hz, self._diagnosis.measured_speed_tolerance)
        if self._machine.nominal_shaft_hz is not None:
            return Shaft(self._machine.nominal_shaft_hz, self._diagnosis.speed_tolerance)
        return None


def window_samples_of(channel: Channel, settings: AnalysisSettings) -> int:
    """Length of this channel's trend windows."""
    return settings.window_samples or trend_window_samples(channel.sample_rate_hz)


def end_ns_of(window: Window) -> int:
    """Time just after a window's last sample."""
    return window.start_ns + round(len(window.samples) * 1e9 / window.sample_rate_hz)


def _framers(channel: Channel, settings: AnalysisSettings, diagnosis: DiagnosisSettings) -> _Framers:
    window_samples = window_samples_of(channel, settings)
    windows = Framer(channel.channel_id, window_samples, max(1, window_samples // 2))
    records = Framer(
        channel.channel_id,
        max(1, round(diagnosis.record_s * channel.sample_rate_hz)),
        max(1, round(diagnosis.record_hop_s * channel.sample_rate_hz)),
    )
    if settings.cadence_s <= 0.0:
        return _Framers(channel, windows, records)
    cadence_s = settings.cadence_s
    return _Framers(channel, SeldomFramer(windows, cadence_s), SeldomFramer(records, cadence_s))
