"""How the appliance itself is: the report that the page, the journal, the centre and /metrics are made of.

Duty: the types of a health report, and nothing else. Who measures what stands in the wiring of telemetry;
how a report is gathered in `reporter`, stored in `record`, rendered in `metrics`.

Counts are totals since the start of the service (they only grow); quantiles are over the last period.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.telemetry.distribution import Distribution


class Stage(StrEnum):
    """Where a sample, a value or an alarm can wait. The value is the word that people and metrics see."""

    SOURCE_QUEUE = "source queue"  # one per source and machine: waits from its arrival to its analysis
    ANALYSIS = "analysis"  # one per machine: a batch in its worker thread, scoring and decision included
    SCORING = "scoring"  # one per machine: the detector's answer to one window
    ALARM_DECISION = "alarm decision"  # one per machine: from the last sample to the decision
    ALARM_COMMIT = "alarm commit"  # from the decision to stable storage
    JOURNAL_COMMIT = "journal commit"  # a group of records to stable storage
    CENTRAL = "central"  # the courier: a request to the central InfluxDB
    WEBHOOK = "webhook"  # one per receiver: an attempt
    OPCUA_SERVER = "opcua server"  # from a latest value to its node
    OBJECT_STORE = "object store"  # a captured part to the store
    INSPECTION = "inspection"  # one per camera: from a part's picture to its verdict


@dataclass(frozen=True, slots=True)
class StageHealth:
    """One stage. `instance` says which of several: "source > asset", an asset, a receiver; else it is "".

    `depth` and `capacity` are None where nothing waits there, `capacity` also where a disk is the bound.
    """

    stage: Stage
    instance: str
    depth: int | None
    capacity: int | None
    processed: int
    dropped: int
    errors: int
    p50_s: float | None  # over the last period; None: nothing happened
    p99_s: float | None
    latency: Distribution  # s, since the start


@dataclass(frozen=True, slots=True)
class ScoreHealth:
    """Anomaly scores of one machine (1.0 = limit). Quantiles are over the last period."""

    asset_id: str
    p50: float | None
    p90: float | None
    p99: float | None
    over_limit: int  # scores above 1.0, since the start
    scores: Distribution  # since the start
    period_scores: Distribution


@dataclass(frozen=True, slots=True)
class PartErrors:
    """What a part wrote into the log as an error, and how often it had to be started again."""

    part: str
    errors: int
    restarts: int


@dataclass(frozen=True, slots=True)
class LoadHealth:
    """Processor and memory. Percent of one core for the process, of all cores for the system."""

    process_cpu_percent: float
    process_cpu_s: float  # used since the start
    system_cpu_percent: float
    n_cpus: int
    load_1min: float
    rss_bytes: int
    memory_available_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True, slots=True)
class Temperature:
    """One sensor of the box (hwmon); a box without any has none in its report."""

    sensor: str  # "coretemp/Package id 0"
    degc: float
    high_degc: float | None  # the driver's own warning limit
    critical_degc: float | None


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """The file system that holds the journal. `used_percent` as df says it: of what the service may use."""

    path: str
    total_bytes: int
    free_bytes: int  # for the service: without the blocks kept for root
    used_percent: float
    journal_bytes: int


@dataclass(frozen=True, slots=True)
class ClassWear:
    """What one class of records writes to the flash, its log and indexes included."""

    record_class: str
    written_bytes: int  # since the journal was made
    written_bytes_per_day: float


class WearSource(StrEnum):
    """What a projected end of life rests on."""

    EMMC = "eMMC register"  # life_time of the card, steps of 10 %
    DECLARED = "declared endurance"  # [telemetry] flash_endurance_tb
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WearHealth:
    """How the flash wears. None where nothing is known: the appliance does not guess an endurance."""

    device: str  # "mmcblk0", "sda"; "" if it cannot be found
    source: WearSource
    life_used_percent: float | None  # upper end of the card's own 10 % step, or of the declared endurance
    device_written_bytes: int | None  # by everybody since the kernel's boot
    journal_bytes_per_day: float  # by the journal, all classes
    days_left: float | None  # at the journal's present rate; None: unknown
    classes: tuple[ClassWear, ...]


@dataclass(frozen=True, slots=True)
class ClockHealth:
    """Whether times can be trusted. `untrusted_s` counts since the start, or since it was trusted last."""

    trusted: bool
    source: str
    text: str
    untrusted_s: float
    steps: int
    last_step_s: float | None


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """A link to a source, a receiver or the centre."""

    name: str  # source id, receiver's name, "central"
    kind: str  # "serial", "opcua", "webhook", "central"
    state: str  # "connected", "lost", ...
    connected: bool
    reason: str
    silent_s: float | None  # sources: since the last item; None: never, or not a source


@dataclass(frozen=True, slots=True)
class LatencyTrend:
    """A stage's latency beside its own week. `factor` None: not judged yet, `text` says why."""

    stage: Stage
    instance: str
    now_p50_s: float | None  # median of the last hour
    week_p50_s: float | None  # median of the week before
    factor: float | None
    doubled: bool
    text: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How the appliance is. `monotonic_ns` is when it was made, `period_s` what quantiles are over."""

    monotonic_ns: int
    time_ns: int  # UTC
    time_trusted: bool
    uptime_s: float
    period_s: float
    name: str
    version: str
    stages: tuple[StageHealth, ...]
    scores: tuple[ScoreHealth, ...]
    parts: tuple[PartErrors, ...]
    load: LoadHealth
    temperatures: tuple[Temperature, ...]
    disk: DiskHealth
    wear: WearHealth
    clock: ClockHealth
    links: tuple[LinkHealth, ...]
    trends: tuple[LatencyTrend, ...]
    journal_durable: bool
