"""What the HTTP interface says and accepts. The UI's TypeScript types are generated from these.

Times are UTC nanoseconds as decimal strings (a JavaScript number would lose digits) in `*_ns`, and
milliseconds as numbers in `*_ms` where a plot wants them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SeverityName = Literal["not rated", "good", "watch", "warn", "stop"]
AlarmStateName = Literal[
    "active, unacknowledged", "active, acknowledged", "cleared, unacknowledged", "normal"
]


LetterId = Annotated[str, Field(min_length=1, max_length=100)]


class Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LearningView(Schema):
    """How much of a machine's baseline is learned."""

    percent: float = Field(ge=0, le=100)
    complete: bool
    provisional: bool
    text: str  # "learning the baseline: 31 of 48 h, 4 of 5 operating states", "baseline learned"
    learned_h: float  # over all operating states that were seen, each by its slowest channel
    needed_h: float
    states_learned: int
    states_seen: int
    paused: bool  # something is still to be learned, and an alarm of the machine forbids it


class MachineSummary(Schema):
    """One line of the machine list."""

    asset_id: str
    name: str
    severity: SeverityName
    headline: str  # the one line that matters
    operating_state: str
    shaft_hz: float | None
    load: float | None
    learning: LearningView
    active_alarms: int
    unacknowledged_alarms: int
    velocity_rms_mm_s: float | None
    score: float | None
    scored_by: str | None = None  # who gives it: the statistical detector, or a network and its runtime
    updated_ms: float | None


class ChannelView(Schema):
    channel_id: str
    name: str
    measurand: str
    unit: str
    sample_rate_hz: float
    features: list[str]
    latest: dict[str, float | None]
    quality: Literal["good", "uncertain", "bad"]
    sensor_verdict: str | None


class FaultMarker(Schema):
    """A fault frequency drawn into the envelope spectrum."""

    fault: str
    label: str  # "BPFO"
    frequency_hz: float
    harmonics: int
    level_db: float | None
    over_baseline_db: float | None


class DiagnosisView(Schema):
    verdict: Literal["healthy", "fault", "abstain"]
    fault: str | None
    confidence: float
    text: str
    channel_id: str
    ranking: list[tuple[str, float]]


class MachineDetail(Schema):
    summary: MachineSummary
    channels: list[ChannelView]
    diagnosis: DiagnosisView | None
    bearing: str | None
    markers: list[FaultMarker]


class SpectrumView(Schema):
    channel_id: str
    kind: Literal["amplitude", "psd", "envelope", "order"]
    time_ms: float
    first_hz: float
    step_hz: float
    values: list[float]
    unit: str
    markers: list[FaultMarker]
    shaft_hz: float | None


OriginName = Literal["box", "centre"]


class ActView(Schema):
    """What a person did to the present activation of an alarm."""

    actor: str
    origin: OriginName
    time_ms: float
    reason: str


class AlarmView(Schema):
    alarm_id: str
    asset_id: str
    asset_name: str
    channel_id: str | None
    rule: str
    severity: SeverityName
    state: AlarmStateName
    activation: int
    raised_ms: float
    changed_ms: float
    time_trusted: bool
    fault: str | None
    confidence: float | None
    text: str
    evidence: dict[str, float | int | str | bool | None]
    durable: bool
    acknowledged_by: str | None
    acknowledged_ms: float | None
    comment: str
    acknowledgements: list[ActView]  # of everybody, on the box and at the centre
    shelved: ActView | None  # while it is shelved
    shelved_until_ms: float | None
    conflicts: list[str]  # acts that could not take effect, as sentences


class AlarmTransitionView(Schema):
    sequence: int
    what: str
    actor: str
    origin: OriginName
    reason: str
    time_ms: float
    alarm: AlarmView


class AcknowledgeRequest(Schema):
    activation: int = Field(ge=1)
    comment: str = Field(default="", max_length=500)


class ShelveRequest(Schema):
    """For how long the activation that was seen is nobody's task; 0 hours take it off the shelf."""

    activation: int = Field(ge=1)
    hours: float = Field(ge=0, le=168, allow_inf_nan=False)
    reason: str = Field(default="", max_length=500)


class LinkView(Schema):
    source_id: str
    kind: str
    address: str
    state: str
    reason: str
    remedy: str
    counts: dict[str, int]
    figures: dict[str, float]


class QueueView(Schema):
    name: str
    depth: int
    capacity: int
    dropped: int


class BacklogView(Schema):
    record_class: str
    records: int
    stored_bytes: int
    budget_bytes: int
    oldest_age_s: float | None
    days_left: float | None
    dropped: int
    written_bytes_per_day: float


class CounterView(Schema):
    counter: str  # "running hours", "starts", "blocks", "gaps", ...
    subject: str  # asset or channel
    value: float
    unit: str


class ClockView(Schema):
    trusted: bool
    source: str
    now_ms: float
    text: str


class DiskView(Schema):
    path: str
    total_bytes: int
    free_bytes: int
    journal_bytes: int
    reserve_bytes: int


class DeadLetterTallyView(Schema):
    """What one destination refused for good."""

    destination: str  # "central", "webhook maintenance"
    refused: int
    dropped: int  # older ones that had to leave the list


class DeadLetterView(Schema):
    """One record or message that its receiver refused for good."""

    destination: str
    letter_id: str  # unique within its destination
    kind: str  # "score", "alarm transition", "alarm raised"
    record_id: str  # what it is about: an alarm, a channel, a counter
    refused_ms: float | None  # null: refused by a release that did not note it
    reason: str  # as the receiver said it


class DeadLetterPage(Schema):
    """Dead letters, the latest refusal first; `total` of the destinations that were asked for."""

    total: int
    letters: list[DeadLetterView]


class RedriveRequest(Schema):
    """Which dead letters of a destination are to be sent again; null: all of them."""

    destination: str = Field(min_length=1, max_length=100)
    letter_ids: list[LetterId] | None = Field(min_length=1, max_length=500)


class RedriveView(Schema):
    """How many dead letters wait to be sent again because of this request."""

    destination: str
    sent_again: int


class ReconciliationFigureView(Schema):
    """One figure of a report that is not 0."""

    name: str  # "records_resent"
    meaning: str
    value: int


class ReconciliationLineView(Schema):
    """One thing that a report tells."""

    part: str  # "audit", "counters", "alarms"
    subject: str
    text: str
    old: str
    new: str


class ReconciliationReportView(Schema):
    """What was compared with the centre, and what was repaired."""

    report_id: str
    cause: str  # "start", "reconnect", "interval", "recheck"
    outage_from_ms: float | None
    ended_ms: float
    agrees: bool
    text: str
    figures: list[ReconciliationFigureView]
    lines: list[ReconciliationLineView]  # the first ones
    lines_left_out: int


class ReconciliationView(Schema):
    """Whether the centre has what was sent: points by what is known of them, and the newest report."""

    running: bool
    error: str  # why the last round was not ended
    ended_ms: float | None
    sent: int
    confirmed: int
    differing: int
    cut_or_gone: int  # by the centre's retention, or no longer kept on the box
    report: ReconciliationReportView | None


class TrafficView(Schema):
    """How little of what the sensors sent went on to the centre, since that account was begun."""

    raw_bytes: int  # samples of vibration as they came in
    sent_bytes: int  # bodies to the centre, packed
    stayed_ratio: float | None  # share of the raw bytes that did not go out, 0 to 1; null: none came yet


class ApplianceView(Schema):
    name: str
    version: str
    boot_id: str
    uptime_s: float
    rss_bytes: int
    cpu_percent: float
    links: list[LinkView]
    queues: list[QueueView]
    backlog: list[BacklogView]
    counters: list[CounterView]
    clock: ClockView
    disk: DiskView
    journal_durable: bool
    central: str  # "not configured: everything is kept here"
    traffic: TrafficView | None = None  # null: no centre
    reconciliation: ReconciliationView | None = None  # null: no centre, or arrival is not audited
    dead_letters: list[DeadLetterTallyView]  # one per destination, also where nothing was refused


class LoginRequest(Schema):
    user: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)


class PasswordChange(Schema):
    old_password: str = Field(min_length=1, max_length=256)
    new_password: str = Field(min_length=12, max_length=256)


class SessionView(Schema):
    user: str
    must_change_password: bool
    csrf_token: str


class HealthView(Schema):
    """For a watchdog that has no login: it answers, and whether it can keep what it is told."""

    status: Literal["ok", "degraded"]


class Problem(Schema):
    """Every error: what was wrong, and what would be right."""

    title: str
    detail: str
    remedy: str = ""
