"""Findings as a person or a script reads them: lines of a timeline, or JSON lines.

Duty: wording and order of what a replay prints. Decides nothing: severity, fault and sentence are the
analysis' own. Each JSON line has a `type`: `window`, `alarm`, `gap`, `sensor`, `network`, `summary`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from rich.markup import escape

from appliance.alarms.lifecycle import AlarmTransition, Severity
from appliance.analysis import Findings, SensorVerdict
from appliance.machine_status import answerer_of
from dsp.extractor import FeatureVector
from dsp.samples import Gap
from models.detector import AnomalyScore
from models.diagnosis import Diagnosis

SHOWN_FEATURES = ("rms_mps2", "rms", "velocity_rms_mm_s", "crest", "kurtosis")
STYLES = {
    Severity.WATCH: "yellow",
    Severity.WARN: "dark_orange",
    Severity.STOP: "bold red",
    Severity.GOOD: "green",
}


def finite(value: float | None) -> float | None:
    """JSON knows no NaN: what cannot be stated is null."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


@dataclass(slots=True)
class FileResult:
    """What one file came to, for its summary line."""

    file: str
    learned_from: bool
    baseline: str
    seconds: float = 0.0
    windows: int = 0
    gaps: int = 0
    alarms: int = 0
    worst: Severity = Severity.NOT_RATED
    sensor: dict[str, SensorVerdict] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    scored_by: Counter[str] = field(default_factory=Counter)  # windows, by who gave their scores

    def take(self, findings: Findings) -> None:
        """Count these findings in."""
        self.windows += len(findings.features)
        self.gaps += len(findings.gaps)
        self.scored_by.update(map(answerer_of, findings.scores))
        self.alarms += sum(transition.what in ("raised", "re-raised") for transition in findings.transitions)
        order = list(Severity)
        self.worst = max(self.worst, findings.severity, key=order.index)
        for verdict in findings.sensor_verdicts:
            self.sensor[verdict.channel_id] = verdict
        for diagnosis in findings.diagnoses:
            if self.diagnosis is None or rank_of(diagnosis) >= rank_of(self.diagnosis):
                self.diagnosis = diagnosis


def rank_of(diagnosis: Diagnosis) -> tuple[int, float]:
    """Order of diagnoses of several channels: a named fault first, then the surest."""
    return (int(diagnosis.fault is not None), diagnosis.confidence)


def window_line(
    vector: FeatureVector, score: AnomalyScore | None, severity: Severity, file: str, zero_ns: int
) -> dict[str, Any]:
    """JSON of one window: its features by name, its score, the machine's severity by then."""
    return {
        "type": "window",
        "file": file,
        "channel": vector.channel_id,
        "start_s": round((vector.start_ns - zero_ns) / 1e9, 6),
        "duration_s": round(vector.duration_s, 6),
        "operating_state": vector.operating_state,
        "quality": str(vector.quality),
        "severity": str(severity),
        "score": None if score is None else finite(score.value),
        "scored_by": None if score is None else answerer_of(score),
        "features": {
            name: finite(float(value)) for name, value in zip(vector.names, vector.values, strict=True)
        },
    }


def alarm_line(transition: AlarmTransition, file: str, zero_ns: int) -> dict[str, Any]:
    """JSON of one alarm transition."""
    alarm = transition.alarm
    return {
        "type": "alarm",
        "file": file,
        "at_s": round((alarm.changed_ns - zero_ns) / 1e9, 6),
        "what": transition.what,
        "alarm_id": alarm.alarm_id,
        "rule": alarm.rule,
        "channel": alarm.channel_id,
        "severity": str(alarm.severity),
        "state": str(alarm.state),
        "fault": alarm.fault,
        "confidence": finite(alarm.confidence),
        "score": finite(alarm.score),
        "text": alarm.reason,
        "evidence": alarm.evidence,
    }


def gap_line(gap: Gap, file: str, zero_ns: int) -> dict[str, Any]:
    """JSON of one gap."""
    return {
        "type": "gap",
        "file": file,
        "channel": gap.channel_id,
        "start_s": round((gap.start_ns - zero_ns) / 1e9, 6),
        "end_s": round((gap.end_ns - zero_ns) / 1e9, 6),
        "cause": str(gap.cause),
        "samples_missing": gap.samples_missing,
    }


def sensor_line(verdict: SensorVerdict, file: str, zero_ns: int) -> dict[str, Any]:
    """JSON of one sensor verdict."""
    return {
        "type": "sensor",
        "file": file,
        "channel": verdict.channel_id,
        "at_s": round((verdict.start_ns - zero_ns) / 1e9, 6),
        "verdict": verdict.verdict,
        "text": verdict.text,
        "remedy": verdict.remedy,
    }


def network_line(text: str, file: str, at_s: float) -> dict[str, Any]:
    """JSON of what became of the network that was to score."""
    return {"type": "network", "file": file, "at_s": round(at_s, 6), "text": text}


def summary_line(result: FileResult) -> dict[str, Any]:
    """JSON of one file's end."""
    diagnosis = result.diagnosis
    return {
        "type": "summary",
        "file": result.file,
        "baseline": result.baseline,
        "learned_from": result.learned_from,
        "seconds": round(result.seconds, 3),
        "windows": result.windows,
        "gaps": result.gaps,
        "alarms": result.alarms,
        "severity": str(result.worst),
        "check_sensor": sorted(result.sensor),
        "scored_by": dict(sorted(result.scored_by.items())),
        "verdict": None if diagnosis is None else str(diagnosis.verdict),
        "fault": None if diagnosis is None else diagnosis.fault,
        "confidence": None if diagnosis is None else finite(diagnosis.confidence),
        "text": sentence_of(result),
    }


def sentence_of(result: FileResult) -> str:
    """The one line that matters about a file."""
    if result.sensor:
        return "check sensor: " + "; ".join(verdict.text for verdict in result.sensor.values())
    if result.learned_from:
        return "learned from"
    if result.diagnosis is not None:
        return result.diagnosis.text
    return (
        "too short for a diagnosis" if result.windows == 0 else "no bearing data: judged by level and score"
    )


class JsonTimeline:
    """Writes one JSON object a line to `write`."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self.unscored = ""  # a missing score is null

    def show(self, findings: Findings, file: str, zero_ns: int) -> None:
        """Print all findings of one step."""
        scores = {(score.channel_id, score.start_ns): score for score in findings.scores}
        lines = [gap_line(gap, file, zero_ns) for gap in findings.gaps]
        lines += [
            window_line(v, scores.get((v.channel_id, v.start_ns)), findings.severity, file, zero_ns)
            for v in findings.features
        ]
        lines += [sensor_line(verdict, file, zero_ns) for verdict in findings.sensor_verdicts]
        lines += [alarm_line(transition, file, zero_ns) for transition in findings.transitions]
        for line in lines:
            self._write(orjson.dumps(line).decode())

    def network(self, text: str, file: str, at_s: float) -> None:
        """Print what became of the network that was to score."""
        self._write(orjson.dumps(network_line(text, file, at_s)).decode())

    def summarise(self, result: FileResult) -> None:
        """Print a file's summary."""
        self._write(orjson.dumps(summary_line(result)).decode())


class TextTimeline:
    """Writes lines for a person, with rich's markup, to `write`."""

    def __init__(self, write: Callable[[str], object], every_s: float = 0.0) -> None:
        self._write = write
        self._every_s = every_s
        self.unscored = "no baseline"  # what stands in place of a score
        self._last_s: dict[str, float] = {}

    def show(self, findings: Findings, file: str, zero_ns: int) -> None:
        """Print all findings of one step; windows at most each `every_s` per channel."""
        scores = {(score.channel_id, score.start_ns): score for score in findings.scores}
        for gap in findings.gaps:
            text = f"{(gap.end_ns - gap.start_ns) / 1e6:.1f} ms missing on {gap.channel_id}: {gap.cause}"
            self._write(f"{self._at(gap.start_ns, zero_ns)}  [magenta]gap[/]     {text}")
        for vector in findings.features:
            at_s = (vector.start_ns - zero_ns) / 1e9
            if at_s < self._last_s.get(vector.channel_id, -math.inf) + self._every_s:
                continue
            self._last_s[vector.channel_id] = at_s
            self._write(
                self._window(vector, scores.get((vector.channel_id, vector.start_ns)), findings, zero_ns)
            )
        for verdict in findings.sensor_verdicts:
            self._write(f"{self._at(verdict.start_ns, zero_ns)}  [cyan]sensor[/]  {verdict.sentence}")
        for transition in findings.transitions:
            alarm = transition.alarm
            style = STYLES.get(alarm.severity, "white")
            self._write(
                f"{self._at(alarm.changed_ns, zero_ns)}  [{style}]alarm {transition.what}: {alarm.severity}: "
                f"{alarm.reason}[/]"
            )

    def network(self, text: str, file: str, at_s: float) -> None:
        """Print what became of the network that was to score."""
        self._write(f"{at_s:9.2f} s  [cyan]network[/] {escape(text)}")

    def summarise(self, result: FileResult) -> None:
        """Print a file's summary."""
        scored = ", ".join(f"{n} by the {who}" for who, n in result.scored_by.most_common())
        style = STYLES.get(result.worst, "white")
        self._write(
            f"[bold]{result.file}[/]: {result.seconds:.1f} s, {result.windows} windows, {result.gaps} gaps, "
            f"{result.alarms} alarms, baseline {result.baseline}{scored and f', scored {scored}'}: "
            f"[{style}]{result.worst}[/], {sentence_of(result)}"
        )
        self._last_s.clear()

    @staticmethod
    def _at(at_ns: int, zero_ns: int) -> str:
        return f"{(at_ns - zero_ns) / 1e9:9.2f} s"

    def _window(
        self, vector: FeatureVector, score: AnomalyScore | None, findings: Findings, zero_ns: int
    ) -> str:
        values = dict(zip(vector.names, vector.values, strict=True))
        shown = "  ".join(
            f"{name} {values[name]:7.3f}"
            for name in SHOWN_FEATURES
            if math.isfinite(values.get(name, math.nan))
        )
        scored = self.unscored if score is None else f"score {score.value:5.2f}"
        style = STYLES.get(findings.severity, "white")
        return (
            f"{self._at(vector.start_ns, zero_ns)}  {vector.channel_id:<16} {vector.operating_state:<24} "
            f"{shown}  {scored}  [{style}]{findings.severity}[/]"
        )
