"""One machine of the soak through the appliance's own pipeline, from hop 3 on, in virtual time.

The clock stands where the samples are; journal, alarm desk and analysis are the real ones. What an alarm is,
the transitions say that the desk was given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from appliance.analysis import AssetAnalysis, Findings
from appliance.analysis_settings import CADENCE_S, at_cadence
from appliance.sources.source import LinkReport, LinkState
from appliance.wiring_replay import recording_pipeline
from dsp.samples import Channel, SourceItem
from tests.soak.disturbances import DAY_S, WEEK_S
from tests.soak.machine import MACHINE, SoakMachine


class _Snapshot:
    """A source that delivers what came for one snapshot."""

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self.source_id = "soak"
        self.channels = channels
        self.items: list[SourceItem] = []

    async def blocks(self) -> AsyncIterator[SourceItem]:
        for item in self.items:
            yield item

    def report(self) -> LinkReport:
        return LinkReport(self.source_id, "replay", "soak", LinkState.CONNECTED)


@dataclass(slots=True)
class Account:
    """What became of one machine's time; alarms are those raised after the learning weeks."""

    decisions: int = 0  # snapshots after the learning weeks
    scored: int = 0
    at_rest: int = 0
    learning: int = 0  # windows in operating states that are not learned yet
    diagnosed: int = 0  # records whose fault lines were judged
    states: int = 0
    weeks: float = 0.0
    largest: float = 0.0
    alarms: list[dict[str, Any]] = field(default_factory=list)
    early: list[dict[str, Any]] = field(default_factory=list)  # in the learning weeks
    advisories: list[dict[str, Any]] = field(default_factory=list)
    limit: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def run_machine(
    machine: SoakMachine,
    learn_weeks: float,
    weeks: float,
    *,
    cadence_s: float = CADENCE_S,
    stop_at_alarm: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Account:
    """`learn_weeks` of commissioning and `weeks` that count, a decision each `cadence_s`."""
    account = Account(weeks=weeks)
    source = _Snapshot(machine.channels())
    analysis = AssetAnalysis(MACHINE, source.channels, at_cadence(cadence_s))
    total_s, begins_s = (learn_weeks + weeks) * WEEK_S, learn_weeks * WEEK_S
    t_s = 0.0

    def take(findings: Findings) -> None:
        counts = t_s >= begins_s
        for transition in findings.transitions:
            if transition.what in ("raised", "re-raised"):
                alarm = transition.alarm
                day = round((t_s - begins_s) / DAY_S, 2)
                told = {"day": day, "rule": alarm.rule, "reason": alarm.reason, "fault": alarm.fault}
                (account.alarms if counts else account.early).append(told)
        for advisory in findings.advisories:
            if advisory.forecast is not None and counts:
                told = {"day": round((t_s - begins_s) / DAY_S, 2), "text": advisory.text}
                account.advisories.append(told)
        if not counts or not findings.features:
            return
        account.scored += len(findings.scores)
        account.diagnosed += len(findings.diagnoses)
        account.largest = max([account.largest, *(score.value for score in findings.scores)])
        if not findings.scores:
            resting = findings.operating_state in ("stopped", "transient")
            account.at_rest += resting
            account.learning += not resting

    async with recording_pipeline(analysis, take) as line:
        while t_s < total_s:
            source.items = machine.snapshot(t_s)
            await line.play(source)
            account.decisions += t_s >= begins_s
            t_s += cadence_s
            if stop_at_alarm and account.alarms:
                break
            if round(t_s) % round(DAY_S) == 0:
                progress(t_s / total_s)
    learned = [p for p in analysis.learning_progress() if p.complete]
    account.states = len(learned)
    account.limit = learned[0].limit_text if learned else ""
    return account
