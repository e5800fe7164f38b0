"""The model host: scores within the deadline, whatever becomes of the runtimes.

Duty: the hands of `fallback_chain`. Keeps one child process per tier (accelerator, then CPU), asks them in
turn, runs the golden vectors before any of them serves and one of them every few calls, and falls back on the
statistical baseline in this process, then on saying that there is no score. One thread tends the children, so
that a call never waits for a start. Decides nothing about when or who; knows no channel and no alarm: `moves`
tells both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

import numpy as np

from dsp.samples import Float32Array
from models.errors import InferenceError, ModelError, TensorError
from models.fallback_chain import Action, Attempt, ChainRules, FallbackChain, Move, Order, TierState
from models.golden_check import GoldenCheck
from models.host_process import Worker, WorkerLateError, WorkerProcess
from models.manifest import verify_artefact

STATISTICAL = "statistical"
PASS_THROUGH = "pass-through"  # noqa: S105
_TEND_SOON_S, _TEND_S = 0.02, 0.5
_END_S = 2.0
_LONGEST_QUEUE = 0.5  # of a tier's time: waiting for another call's end
Statistical = Callable[[Float32Array], Float32Array]


class HostAnswer(NamedTuple):
    """Scores `(n,)`, 1.0 = limit, and who gave them. NaN: a row states nothing; all of `pass-through`.

    Of pictures `(n, values)`, see `models.vision.picture_score.results`. A tuple: each call makes one.
    """

    scores: Float32Array
    backend: str
    first_choice: bool
    reason: str  # why the first choice did not answer; "" where it did


@dataclass(frozen=True, slots=True)
class TierReport:
    """How one tier stands."""

    backend: str
    state: TierState
    reason: str
    resident_bytes: int
    pid: int | None


class ModelHost:
    """One model on a chain of runtimes; `with` starts and ends its processes. Any thread may ask.

    `workers` in the order of preference; `statistical` None where the caller has a baseline of its own. A
    tier without golden vectors is refused: nobody could tell its damage.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        statistical: Statistical | None = None,
        rules: ChainRules | None = None,
        check_every: int = 16,
    ) -> None:
        if not workers:
            raise ModelError(
                "a model host needs at least one worker; the statistical baseline runs without it"
            )
        self._rules = rules or ChainRules()
        _require_one_input(workers)
        self._tiers = [_Tier(worker, check_every) for worker in workers]
        self._statistical = statistical
        self._chain = FallbackChain([worker.backend for worker in workers], STATISTICAL, self._rules)
        self._chain_lock = threading.Lock()
        self._item_shape = workers[0].manifest.input_shape
        values = workers[0].manifest.output_values
        self._more_values = () if values == 1 else (values,)
        self._wake = threading.Event()
        self._ends = False
        self._tending = threading.Thread(target=self._tend_until_end, name="model-host", daemon=True)

    def __enter__(self) -> ModelHost:
        self._tending.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends = True
        self._wake.set()
        while self._tending.is_alive():
            with self._chain_lock:
                states = [self._chain.state(i) for i in range(len(self._tiers))]
            for tier, state in zip(self._tiers, states, strict=True):
                if state is not TierState.SERVING:  # that one may have a call to answer
                    tier.process.kill()  # a check that hangs would be waited for
            self._tending.join(_TEND_SOON_S)
        for tier in self._tiers:
            with tier.lock:
                tier.process.stop()
                tier.process.wait_for_end(_END_S)

    def infer(self, batch: Float32Array) -> HostAnswer:
        """Scores of a batch `(n, *input_shape)` of any channels, within the deadline of the rules.

        Raises TensorError for another shape. Nothing else: where nobody can score, the answer says so.
        """
        if batch.shape[1:] != self._item_shape:
            raise TensorError(f"batch of shape {batch.shape}; expected (n, {self._item_shape})")
        batch = np.ascontiguousarray(batch, dtype=np.float32)  # what fails here is the caller's, no tier's
        until_ns = time.monotonic_ns() + self._rules.deadline_ns
        with self._chain_lock:
            reason = self._chain.reason(0)
            attempt = self._chain.attempt(-1, self._rules.deadline_ns)
        while attempt is not None:
            scores, said = self._ask(attempt, batch)
            first = attempt.tier == 0
            if scores is not None:
                return HostAnswer(scores, self._chain.name(attempt.tier), first, "" if first else reason)
            reason = said if first else reason
            with self._chain_lock:  # the next gets its share of what is left now
                attempt = self._chain.attempt(attempt.tier, max(until_ns - time.monotonic_ns(), 0))
        try:
            if self._statistical is None:
                raise ModelError("is the caller's")
            scores = self._statistical(batch)
        except Exception as error:  # the last model of the chain: what is left is to say so
            nothing = np.full((len(batch), *self._more_values), np.nan, np.float32)
            said = f"{reason}; {STATISTICAL}: {type(error).__name__}: {error}"
            return HostAnswer(nothing, PASS_THROUGH, False, said)
        return HostAnswer(scores, STATISTICAL, False, reason)

    def network_scores(self, batch: Float32Array) -> Float32Array:
        """As `infer`, for a caller with its own baseline: InferenceError where no runtime answered."""
        answer = self.infer(batch)
        if answer.backend in (STATISTICAL, PASS_THROUGH):
            raise InferenceError(f"no runtime answered: {answer.reason}")
        return answer.scores

    def _ask(self, attempt: Attempt, batch: Float32Array) -> tuple[Float32Array | None, str]:
        """Scores by one tier, or None and why not."""
        tier = self._tiers[attempt.tier]
        ends_ns = time.monotonic_ns() + attempt.budget_ns
        if not tier.lock.acquire(False) and not tier.lock.acquire(
            timeout=attempt.budget_ns * _LONGEST_QUEUE / 1e9
        ):
            return None, "was busy with another call"  # asked now it would be late by no fault of its own
        try:
            with self._chain_lock:  # it may have gone down while we waited
                if self._chain.state(attempt.tier) is not TierState.SERVING:
                    return None, self._chain.reason(attempt.tier)
            return tier.checked(batch, ends_ns), ""
        except WorkerLateError as error:
            with self._chain_lock:
                self._chain.late(attempt.tier, time.monotonic_ns())
                if self._chain.state(attempt.tier) is TierState.DOWN:
                    tier.process.stop()
            self._wake.set()
            return None, str(error)
        except Exception as error:  # a dead child, a failed runtime, a wrong answer
            self._fail(attempt.tier, error)
            return None, str(error)
        finally:
            tier.lock.release()

    def _fail(self, tier: int, error: Exception) -> None:
        """Kill the child, tell the chain. The tier's lock is held."""
        self._tiers[tier].process.stop()
        with self._chain_lock:
            self._chain.failed(tier, str(error), time.monotonic_ns())
        self._wake.set()

    def moves(self) -> list[Move]:
        """Climbs down and up since this was asked last: each down is worth an alarm."""
        with self._chain_lock:
            return self._chain.moves()

    def report(self) -> list[TierReport]:
        """How the tiers stand now."""
        with self._chain_lock:
            states = [(self._chain.state(i), self._chain.reason(i)) for i in range(len(self._tiers))]
        return [
            TierReport(tier.worker.backend, state, reason, tier.process.resident_bytes(), tier.process.pid)
            for tier, (state, reason) in zip(self._tiers, states, strict=True)
        ]

    def _tend_until_end(self) -> None:
        while not self._ends:
            for i in range(len(self._tiers)):
                self._tend(i)
            with self._chain_lock:
                orders = self._chain.orders(time.monotonic_ns())
                states = [self._chain.state(i) for i in range(len(self._tiers))]
            for order in orders:
                self._carry_out(order)
            moving = orders or {TierState.STARTING, TierState.LATE, TierState.CHECKING} & set(states)
            if self._wake.wait(_TEND_SOON_S if moving else _TEND_S):
                self._wake.clear()

    def _tend(self, i: int) -> None:
        """Hear what a child has to say between calls; a tier that is busy with a call hears for itself."""
        tier = self._tiers[i]
        if not tier.lock.acquire(blocking=False):
            return
        try:
            with self._chain_lock:
                state = self._chain.state(i)
            if state is TierState.STARTING and tier.process.ready():
                self._tell(self._chain.loaded, i)
            elif state is TierState.LATE and tier.process.answered_late():
                self._tell(self._chain.answered_late, i)
            elif state is TierState.SERVING:
                tier.process.check_alive()
        except Exception as error:
            self._fail(i, error)
        finally:
            tier.lock.release()

    def _tell(self, event: Callable[[int, int], None], tier: int) -> None:
        with self._chain_lock:
            event(tier, time.monotonic_ns())

    def _carry_out(self, order: Order) -> None:
        tier = self._tiers[order.tier]
        with tier.lock:
            try:
                if order.action is Action.STOP:
                    tier.process.stop()
                elif order.action is Action.START:
                    self._tell(self._chain.started, order.tier)
                    tier.start()
                else:
                    tier.check(self._rules.check_limit_ns / 1e9)
                    self._tell(self._chain.passed, order.tier)
            except Exception as error:
                self._fail(order.tier, error)


class _Tier:
    """A worker's process, its lock, and what its golden vectors must give."""

    def __init__(self, worker: Worker, check_every: int) -> None:
        self.worker = worker
        self.lock = threading.Lock()  # one call at a time
        self.process = WorkerProcess(worker)
        self._check_every = check_every
        self._calls = 0
        self._golden: GoldenCheck | None = None

    def start(self) -> None:
        """Start the child if its bytes are the manifest's and can be checked. Raises ModelError, OSError."""
        worker = self.worker
        entry = verify_artefact(worker.manifest, worker.backend, worker.artefact)
        self._golden = GoldenCheck(worker.manifest, entry)
        self.process.start()

    def check(self, time_limit_s: float) -> None:
        """Run all golden vectors. Raises ModelError where one is not what it must be."""
        golden = self._golden
        assert golden is not None
        found = self._all(golden.inputs, time.monotonic_ns() + int(time_limit_s * 1e9))
        golden.hold(found)

    def checked(self, batch: Float32Array, ends_ns: int) -> Float32Array:
        """Scores of a batch; every few calls a golden vector goes along and must come out right.

        Raises as `WorkerProcess.infer`, and ArtefactError for a wrong golden score: then the batch's are lost
        too.
        """
        self._calls += 1
        golden = self._golden
        if golden is None or self._calls % self._check_every:
            return self._all(batch, ends_ns)
        which = (self._calls // self._check_every) % len(golden.inputs)
        found = self._all(np.concatenate([batch, golden.inputs[which : which + 1]]), ends_ns)
        golden.hold_one(which, found[-1:])
        return found[:-1]

    def _all(self, batch: Float32Array, ends_ns: int) -> Float32Array:
        size = self.worker.max_items
        if len(batch) <= size:
            return self.process.infer(batch, (ends_ns - time.monotonic_ns()) / 1e9)
        parts = [
            self.process.infer(batch[i : i + size], (ends_ns - time.monotonic_ns()) / 1e9)
            for i in range(0, len(batch), size)
        ]
        return np.concatenate(parts)


def _require_one_input(workers: Sequence[Worker]) -> None:
    """Raises ModelError where the tiers would read one row differently."""
    first = workers[0].manifest
    for worker in workers[1:]:
        for field in ("feature_names", "input_shape", "extractor_version"):
            if getattr(worker.manifest, field) != getattr(first, field):
                raise ModelError(
                    f"the model for {worker.backend} has another {field} than that for {workers[0].backend}:"
                    " tiers of one host must read the same rows"
                )
