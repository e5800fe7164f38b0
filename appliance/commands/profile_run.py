"""One artefact of a bundle, run as the service runs it, with a stopwatch: through the model host, in a child.

Duty: the measurement of `stethos profile`. Concludes nothing (`models.runtime_profile`), prints nothing.

A call is one item, from feature row to score. Its CPU time is that of both processes, which other load on the
box hardly touches, so that it tells throttling where wall time cannot.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from appliance.commands.profile_energy import EnergyMeter
from dsp.samples import Float32Array
from models.backends.operators import OperatorsUnknownError, operator_times
from models.bundle import Bundle
from models.errors import InferenceError
from models.evaluation.ranking import auroc, pauc
from models.fallback_chain import ChainRules, TierState
from models.host import PASS_THROUGH, ModelHost
from models.host_tiers import Tier, workers_of
from models.manifest import Artefact, golden_inputs
from models.network_score import prepare
from models.runtime_profile import Energy, OperatorTime, RuntimeProfile, Stretch
from models.training.judging import Judged, judged_items
from models.training.record import record_of, rows_of
from models.training.rows import ROWS_FILE

BATCH = 16
MINUTE_S = 60.0
_WHOLE_MINUTE = 0.9  # the last one begins late by what the calls before ran over
_IDLE_S = 1.0
_LOOK_S = 0.25  # between two looks at the sensors of power
_SERVES_S = 90.0  # from a process to its first score
_WARM_CALLS = 20
_RULES = ChainRules(deadline_ns=2_000_000_000)  # a stopwatch must see late calls, not be spared them


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A bundle to be measured, with what it is judged by."""

    name: str
    bundle: Bundle
    judged: Judged | None  # None: it holds no rows
    judged_on: str

    @property
    def items(self) -> Float32Array:
        """Items `(n, *input_shape)` for the calls: usual rows, or the golden inputs."""
        if self.judged is None:
            return golden_inputs(self.bundle.manifest)
        return self.judged.healthy.values[:256]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Wall and CPU time, ns."""

    wall_ns: Callable[[], int] = time.monotonic_ns
    cpu_ns: Callable[[], int] = time.process_time_ns


def measured(name: str, bundle: Bundle) -> Measured:
    """The bundle with the items that it was judged on when it was trained. Raises BundleError."""
    spec = bundle.manifest.network
    if spec is None or ROWS_FILE not in bundle.files:
        return Measured(name, bundle, None, "")
    record, rows = record_of(bundle), rows_of(bundle)
    return Measured(name, bundle, judged_items(rows, spec, record.steps, record.seed), rows.sha256)


def profiled(one: Measured, entry: Artefact, seconds: float, energy: EnergyMeter) -> RuntimeProfile:
    """One artefact's profile after calls for `seconds`. Raises ModelError where it cannot serve here."""
    workers = workers_of(one.bundle, [Tier(entry.backend, precision=entry.precision)])
    items = one.items
    with ModelHost(workers, rules=_RULES) as host:
        _wait_until_serving(host)
        pid = host.report()[0].pid
        calls = _Calls(host, items)
        for _ in range(_WARM_CALLS):
            calls.one()
        idle = _idle(energy)
        clocks = Clocks(cpu_ns=lambda: time.process_time_ns() + _child_cpu_ns(pid))
        before = energy.joules
        whole, minutes = sustained(calls.one, seconds, clocks, energy.look)
        joules = energy.joules - before
        items_per_s = _throughput(host, items)
        areas = _areas(host, one.judged) if one.judged is not None else (None, None)
        resident = host.report()[0].resident_bytes
    operators, said = _operators(one, entry)
    return RuntimeProfile(
        bundle=one.name,
        backend=entry.backend,
        precision=str(entry.precision),
        size_bytes=entry.size_bytes,
        whole=whole,
        minutes=minutes,
        items_per_s=items_per_s,
        resident_bytes=resident,
        energy=_energy(energy, idle, joules, whole),
        operators=operators,
        operators_said=said,
        auroc=areas[0],
        pauc=areas[1],
        judged_on=one.judged_on,
        elsewhere=calls.elsewhere,
    )


class _Calls:
    """Single items one after the other, and how many nobody answered in time."""

    def __init__(self, host: ModelHost, items: Float32Array) -> None:
        self._host, self._items, self._next = host, items, 0
        self.elsewhere = 0

    def one(self) -> None:
        """Score the next item."""
        place = self._next % len(self._items)
        self._next += 1
        if self._host.infer(self._items[place : place + 1]).backend == PASS_THROUGH:
            self.elsewhere += 1
            _wait_until_serving(self._host)


def sustained(
    call: Callable[[], None], seconds: float, clocks: Clocks, look: Callable[[float], None]
) -> tuple[Stretch, tuple[Stretch, ...]]:
    """Calls for so long: all together, and by whole minutes. `look` is told the time, s, now and then."""
    begin = looked = clocks.wall_ns()
    look(begin / 1e9)
    parts: list[tuple[array[int], int, int]] = []  # times, wall, CPU
    until = begin + round(seconds * 1e9)
    now = begin
    while now < until:
        times: array[int] = array("Q")
        part_ns, part_cpu_ns = now, clocks.cpu_ns()
        ends = min(now + round(MINUTE_S * 1e9), until)
        while now < ends:
            start = clocks.wall_ns()
            call()
            now = clocks.wall_ns()
            times.append(now - start)
            if now - looked >= _LOOK_S * 1e9:
                look(now / 1e9)
                looked = now
        parts.append((times, now - part_ns, clocks.cpu_ns() - part_cpu_ns))
    look(now / 1e9)
    together = np.concatenate([np.frombuffer(times, np.uint64) for times, _, _ in parts])
    whole = _stretch(together, now - begin, sum(cpu for _, _, cpu in parts))
    minutes = [
        _stretch(np.frombuffer(times, np.uint64), wall, cpu)
        for times, wall, cpu in parts
        if wall >= _WHOLE_MINUTE * MINUTE_S * 1e9
    ]
    return whole, tuple(minutes)


def _stretch(times_ns: np.ndarray, wall_ns: int, cpu_ns: int) -> Stretch:
    p50, p99 = np.percentile(times_ns.astype(np.float64) / 1e3, (50, 99)).tolist()
    return Stretch(len(times_ns), wall_ns / 1e9, p50, p99, cpu_ns / 1e3 / len(times_ns))


def _child_cpu_ns(pid: int | None) -> int:
    """CPU time of another process so far, as clock_getcpuclockid names its clock; 0 where it is gone."""
    if pid is None:
        return 0
    try:
        return time.clock_gettime_ns(((~pid) << 3) | 2)
    except OSError:
        return 0


def _wait_until_serving(host: ModelHost) -> None:
    """Raises InferenceError where the runtime does not serve."""
    until = time.monotonic() + _SERVES_S
    while True:
        report = host.report()[0]
        if report.state is TierState.SERVING:
            return
        if (report.state is TierState.DOWN and report.reason) or time.monotonic() > until:
            raise InferenceError(report.reason or "it did not serve in time")
        time.sleep(0.01)


def _idle(energy: EnergyMeter) -> float | None:
    """Power with nothing to do, W; None where nothing can tell."""
    if not energy.tells:
        return None
    begin = now = time.monotonic()
    energy.look(begin)
    before = energy.joules
    while now - begin < _IDLE_S:
        time.sleep(_LOOK_S)
        now = time.monotonic()
        energy.look(now)
    return (energy.joules - before) / (now - begin)


def _energy(energy: EnergyMeter, idle_watts: float | None, joules: float, whole: Stretch) -> Energy:
    if not energy.tells or idle_watts is None:
        return Energy(energy.source)
    watts = joules / whole.seconds
    return Energy(energy.source, watts, idle_watts, (watts - idle_watts) * whole.seconds / whole.calls)


def _throughput(host: ModelHost, items: Float32Array) -> float:
    """Items a second in batches of 16, on one core: the best of three tries, because other load only adds."""
    batch = np.resize(items, (BATCH, *items.shape[1:]))
    best = 0.0
    for _ in range(3):
        begin, done = time.perf_counter(), 0
        while (taken := time.perf_counter() - begin) < 0.3:
            host.infer(batch)
            done += BATCH
        best = max(best, done / taken)
    return best


def _areas(host: ModelHost, judged: Judged) -> tuple[float | None, float | None]:
    """AUROC and its part up to 10 % false alarms, of the scores that this runtime gives here."""
    healthy, faulty = (
        np.concatenate([_scores(host, rows.values[first : first + 64]) for first in range(0, len(rows), 64)])
        for rows in (judged.healthy, judged.faulty)
    )
    return auroc(healthy, faulty), pauc(healthy, faulty)


def _scores(host: ModelHost, items: Float32Array) -> Float32Array:
    try:
        return host.network_scores(items)
    except InferenceError:  # late on a loaded box: once more, when it serves again
        _wait_until_serving(host)
        return host.network_scores(items)


def _operators(one: Measured, entry: Artefact) -> tuple[tuple[OperatorTime, ...], str]:
    spec = one.bundle.manifest.network
    if spec is None:
        return (), "the bundle has no network"
    inputs = prepare(spec, one.items[:1]).inputs
    try:
        return tuple(operator_times(entry.backend, one.bundle.files[entry.file], inputs)), ""
    except OperatorsUnknownError as error:
        return (), str(error)
