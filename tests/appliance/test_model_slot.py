"""A slot with real processes: into service, swapped, damaged, in the shadow, killed; always an answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.model_slot import ModelSlot, SlotPlan, SlotStanding
from dsp.extractor import EXTRACTOR_VERSION, FeatureVector
from dsp.log_spectrum import LOG_SPECTRUM_VERSION
from dsp.samples import Quality
from models.baseline import Baseline, BaselineRules, fit
from models.fallback_chain import ChainRules, Order, TierState
from models.feature_words import scale_of
from models.host import ModelHost
from models.host_tiers import Tier
from models.store import write_bundle
from models.store_slots import SlotEntry, SlotStore
from tests.fakes.trend_bundle import level_names, spectrum_names, trend_bundle

RATE_HZ = 2_560.0
NAMES, FINE = level_names(RATE_HZ), spectrum_names(RATE_HZ)
RULES = ChainRules(  # wide, for a loaded machine
    deadline_ns=60_000_000_000, check_limit_ns=60_000_000_000, backoff_ns=300_000_000
)
FAR_OFF_S = 60.0
SECOND_NS = 1_000_000_000


class Bench:
    """A slot that is looked at by hand, and rows of one channel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = SlotStore(folder / "models")
        self.configured = trend_bundle(RATE_HZ, "configured")
        self.bundle_path = folder / "pumps.zip"
        write_bundle(self.configured, self.bundle_path)
        plan = SlotPlan(
            "pumps",
            self.bundle_path,
            [Tier("numpy_reference")],
            RULES,
            {"motor.x": {EXTRACTOR_VERSION: NAMES, LOG_SPECTRUM_VERSION: FINE}},
        )
        self.ahead_s = 0.0
        self.slot = ModelSlot(plan, self.store, lambda: time.monotonic() + self.ahead_s)
        self.seat = self.slot.seat()
        random = np.random.default_rng(2)
        self.rows = np.exp(0.1 * random.standard_normal((80, len(NAMES)))).astype(np.float32)
        self.baseline: Baseline = fit(self.rows, NAMES, [scale_of(name) for name in NAMES], BaselineRules())

    def look(self) -> SlotStanding:
        return self.slot.look(self.store.read().of("pumps"))

    def until(self, what: Callable[[SlotStanding], bool]) -> SlotStanding:
        give_up_s = time.monotonic() + FAR_OFF_S
        while not what(standing := self.look()):
            assert time.monotonic() < give_up_s, f"it did not happen: {standing}"
            time.sleep(0.02)
        return standing

    def judge_of(self, i: int) -> str | None:
        """Who scores a row: None, the statistical detector."""
        window = FeatureVector(
            "motor.x",
            i * SECOND_NS // 2,
            1.0,
            NAMES,
            self.rows[i],
            "no tags",
            Quality.GOOD,
            EXTRACTOR_VERSION,
        )
        if self.seat.wants_log_spectra:
            fine = np.full(len(FINE), -30.0, np.float32) + self.rows[i, 0]
            spectrum = replace(window, names=FINE, values=fine, extractor_version=LOG_SPECTRUM_VERSION)
            self.seat.ask_ahead([(self.baseline, window)], [spectrum])
        found = self.seat.score(self.baseline, window)
        if found is not None:
            self.seat.told(self.baseline, window, found.value)
        return None if found is None else found.judge


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.slot.close()
    assert not made.slot.look(SlotEntry("statistical")).processes


def settled(standing: SlotStanding) -> bool:
    return standing.settled


def test_it_serves_what_is_configured_and_the_statistical_detector_until_then(bench: Bench) -> None:
    assert bench.judge_of(0) is None
    standing = bench.until(settled)
    assert (standing.answers, standing.trouble) == ("numpy_reference", "")
    assert standing.identity == bench.configured.identity
    assert bench.judge_of(0) == "linear configured"
    assert bench.slot.meter.answers["numpy_reference"] == 1
    assert bench.slot.meter.starts["numpy_reference"] == 1


def test_it_is_switched_and_promoted_and_rolled_back_without_a_window_unanswered(bench: Bench) -> None:
    bench.until(settled)
    bench.store.use("pumps", "statistical")
    standing = bench.look()
    assert (standing.answers, standing.settled, standing.title) == ("the statistical detector", True, "")
    assert bench.judge_of(0) is None
    bench.store.use("pumps", "network")
    bench.until(settled)
    bench.store.try_beside("pumps", trend_bundle(RATE_HZ, "new", seed=9))
    bench.store.promote("pumps", bench.configured)
    who = {bench.judge_of(1)}
    while (standing := bench.look()).title != "linear new":
        who.add(bench.judge_of(1))
    assert who == {"linear configured"}, "the old one answers until the new one has passed its check"
    assert standing.answers == "numpy_reference"
    assert bench.judge_of(1) == "linear new"
    bench.store.roll_back("pumps")
    bench.until(lambda one: one.title == "linear configured" and one.settled)
    assert bench.judge_of(2) == "linear configured"
    bench.ahead_s = 10.0
    assert len(bench.look().processes) == 1
    assert set(bench.slot.meter.answers) == {"numpy_reference"}, "no call was left to the detector"


def test_a_new_bundle_that_is_damaged_leaves_the_old_one_in_service_and_says_so(bench: Bench) -> None:
    bench.until(settled)
    bench.store.try_beside("pumps", trend_bundle(RATE_HZ, "new", seed=9))
    state = bench.store.promote("pumps", bench.configured)
    path = bench.store.folder / f"{state.of('pumps').active}.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    standing = bench.look()
    assert path.name in standing.trouble
    assert not standing.settled
    assert bench.judge_of(0) == "linear configured"
    path.write_bytes(whole)
    assert bench.look().trouble, "it is not looked at every time"
    bench.ahead_s = 31.0
    bench.until(lambda one: one.title == "linear new" and one.settled)


def test_one_for_other_channels_is_not_put_into_service(bench: Bench) -> None:
    write_bundle(trend_bundle(25_600.0), bench.bundle_path)
    standing = bench.look()
    assert "channel 'motor.x' of slot 'pumps': features do not fit" in standing.trouble
    assert standing.answers == "the statistical detector"
    assert bench.judge_of(0) is None


def test_a_killed_process_costs_no_window_and_comes_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_start, carry_out = threading.Event(), ModelHost._carry_out

    def starts_when_it_may(host: ModelHost, order: Order) -> None:
        assert may_start.wait(FAR_OFF_S)
        carry_out(host, order)

    pid = bench.until(settled).processes["numpy_reference"]
    monkeypatch.setattr(ModelHost, "_carry_out", starts_when_it_may)
    os.kill(pid, signal.SIGKILL)
    try:
        lost = bench.until(lambda one: one.runtimes[0].state is not TierState.SERVING)
        assert "SIGKILL" in lost.runtimes[0].reason
        assert bench.judge_of(0) is None, "the statistical detector has it"
    finally:
        may_start.set()
    back = bench.until(settled)
    assert back.processes["numpy_reference"] != pid
    assert bench.judge_of(1) == "linear configured"
    assert (bench.slot.meter.fallbacks, bench.slot.meter.starts["numpy_reference"]) == (1, 2)


def test_a_temporal_network_serves_and_compares_what_it_has_seen_enough_of(bench: Bench) -> None:
    bench.until(settled)
    beside = trend_bundle(RATE_HZ, "temporal", temporal=True)
    bench.store.try_beside("pumps", beside)
    bench.until(lambda one: one.shadow is not None)
    bench.until(lambda one: one.shadow is not None and _answers(bench, one))
    report = bench.look().shadow
    assert report is not None
    assert report.unanswered >= 8
    bench.store.promote("pumps", bench.configured)
    bench.until(lambda one: settled(one) and one.identity == beside.identity)
    judges = [bench.judge_of(i) for i in range(20)]
    assert judges[:8] == [None] * 8
    assert {judge is not None and "temporal" in judge for judge in judges[8:]} == {True}


def test_a_shadow_hears_every_window_and_decides_none(bench: Bench) -> None:
    bench.until(settled)
    bench.store.try_beside("pumps", trend_bundle(RATE_HZ, "new", seed=9))
    bench.until(lambda one: one.shadow is not None)
    bench.until(lambda one: one.shadow is not None and _answers(bench, one))
    done = bench.until(lambda one: one.shadow is not None and one.shadow.windows >= 80)
    report = done.shadow
    assert report is not None
    assert report.title == "linear new"
    assert report.correlation is not None
    assert -1.0 <= report.correlation <= 1.0
    assert report.latency_p50_s is not None
    assert done.title == "linear configured"
    bench.store.end_shadow("pumps")
    assert bench.look().shadow is None


def test_log_spectra_are_wanted_while_a_network_reads_them_in_service_or_in_the_shadow(bench: Bench) -> None:
    bench.until(settled)
    assert not bench.seat.wants_log_spectra
    beside = trend_bundle(RATE_HZ, "fine", log_spectrum=True)
    bench.store.try_beside("pumps", beside)
    bench.until(lambda one: one.shadow is not None and _answers(bench, one))
    assert bench.seat.wants_log_spectra
    bench.store.promote("pumps", bench.configured)
    bench.until(lambda one: settled(one) and one.identity == beside.identity)
    assert bench.judge_of(0) == "linear fine"
    bench.store.use("pumps", "statistical")
    bench.look()
    assert not bench.seat.wants_log_spectra


def _answers(bench: Bench, standing: SlotStanding) -> bool:
    """Feeds it; whether it has begun to answer."""
    for i in range(80):
        assert bench.judge_of(i) == "linear configured"
    return standing.shadow is not None and standing.shadow.windows > 0
