"""The appliance's account of what it received, held against the sensor's own, exactly.

The sensor loses frames on purpose, and counts what the host did not read in time. Its account is the truth.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.journal.record import StoredGap
from dsp.samples import GapCause
from tests.end_to_end.journal_copy import JournalCopy
from tests.end_to_end.rig import AXES, SENSOR, WATCHED, Rig
from tests.end_to_end.stress import StressReport, stress
from tests.end_to_end.told_process import until
from tests.end_to_end.truth_account import MOST_IN_FLIGHT, SAMPLES_PER_FRAME, Life, closed_life, read_lives

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(480)]

QUIET_FRAMES = 5_000  # 25 s
STRESS_S = 20.0
STRESSES = 3  # where the machine itself kept sensor or reader from running: at most so many lives


@dataclass(frozen=True)
class Account:
    """What the appliance has counted in one life of the sensor, and the truth of the same time."""

    life: Life
    frames_received: int
    frames_missing: int
    counters: dict[tuple[str, str], float]
    blocks_dropped: int


@dataclass(frozen=True)
class Told:
    """Everything that the runs below left to look at."""

    quiet: Account
    stressed: Account
    between: list[Account]  # lives under stress in which the machine itself stood still
    report: StressReport
    ledger_by_api: dict[str, list[tuple[str, int | None]]]
    ledger_by_file: dict[str, list[StoredGap]]


def totals_after(rig: Rig) -> Account:
    """Pull the plug, wait until all is worked off; what was counted so far, and the life that ended."""
    rig.unplug()
    life = closed_life(rig.truth_path)
    counts = rig.wait_until_link_is_not(SENSOR, "connected")["counts"]

    def counters_are_committed() -> dict[tuple[str, str], float] | None:
        """Counters are made durable, and only then shown, every other second."""
        counters = rig.api.counters()
        complete = all(counters.get(("samples", axis), 0.0) >= counts["samples received"] for axis in AXES)
        return counters if complete else None

    counters = until(counters_are_committed, "all that was received is analysed and counted")
    return Account(
        life,
        counts["frames received"],
        counts["frames missing"],
        counters,
        sum(queue["dropped"] for queue in rig.api.get("/api/appliance")["queues"]),
    )


def since(before: Account, now: Account) -> Account:
    """What was counted between two totals."""
    return Account(
        now.life,
        now.frames_received - before.frames_received,
        now.frames_missing - before.frames_missing,
        {key: value - before.counters.get(key, 0.0) for key, value in now.counters.items()},
        now.blocks_dropped - before.blocks_dropped,
    )


@pytest.fixture(scope="module")
def told(start_rig: Callable[..., Rig], tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One life of the sensor in peace, another one under stress; then the appliance is stopped."""
    rig = start_rig("--loss", "0.004")
    until(
        lambda: rig.api.link(SENSOR)["counts"]["frames received"] >= QUIET_FRAMES,
        f"{QUIET_FRAMES} frames",
        patience_s=120.0,
    )
    quiet = before = totals_after(rig)
    lives: list[Account] = []
    while not lives or (len(lives) < STRESSES and (lives[-1].life.overrun or lives[-1].life.stalled)):
        rig.plug()
        rig.wait_for_link(SENSOR, "connected")
        report = asyncio.run(stress(rig.api.url, rig.api.cookies, rig.appliance.pid, seconds=STRESS_S))
        now = totals_after(rig)
        lives.append(since(before, now))
        before = now
    ledger_by_api = {
        axis: [(gap["cause"], gap["samples_missing"]) for gap in rig.api.trend(axis, WATCHED)["gaps"]]
        for axis in AXES
    }
    assert rig.appliance.end() == 0
    copy = JournalCopy(rig.journal_dir, tmp_path_factory.mktemp("journal") / "copy")
    assert copy.integrity() == "ok"
    return Told(quiet, lives[-1], lives[:-1], report, ledger_by_api, {axis: copy.gaps(axis) for axis in AXES})


@pytest.fixture(params=["quiet", "stressed"])
def account(told: Told, request: pytest.FixtureRequest) -> Account:
    """Each of the two lives."""
    found: Account = getattr(told, request.param)
    return found


def test_sensor_lost_frames_on_purpose(account: Account) -> None:
    """Otherwise the tests below would compare nothing with nothing."""
    assert len(account.life.lost) >= 8
    assert not account.life.stalled, "this machine was too busy to simulate a sensor in real time"


def test_every_frame_that_was_sent_was_received(account: Account) -> None:
    """All but what was on the line when the plug was pulled."""
    n_sent = len(account.life.sent)
    assert n_sent - MOST_IN_FLIGHT <= account.frames_received <= n_sent


def test_frames_missing_are_those_that_were_not_sent(account: Account) -> None:
    """Exactly: neither more nor fewer, lost on purpose and overrun together."""
    assert account.frames_missing == account.life.missing_before(account.frames_received)


def test_samples_are_counted_exactly_on_every_axis(account: Account) -> None:
    """Received and missing samples, from the durable counters that a person sees."""
    missing = account.life.missing_before(account.frames_received)
    for axis in AXES:
        assert account.counters["samples", axis] == account.frames_received * SAMPLES_PER_FRAME
        assert account.counters["missing samples", axis] == missing * SAMPLES_PER_FRAME


def test_no_queue_drops_anything(account: Account) -> None:
    """What was received is analysed."""
    assert account.blocks_dropped == 0


def test_no_frame_is_overrun_under_stress(told: Told) -> None:
    """By the sensor's count: its host read in time although the appliance stood still again and again."""
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    assert told.stressed.life.overrun == set(), (
        f"did other programs run beside this test? load average {load}"
    )


def test_stress_was_stress(told: Told) -> None:
    """Twenty clients were served, and the process stood still again and again."""
    report = told.report
    print(f"stress: {report}")
    assert report.standstills >= 0.8 * STRESS_S / 0.5
    assert report.requests >= 20 * 5
    assert (report.refused, report.failed) == (0, 0)


def test_gap_ledger_has_every_missing_sample(told: Told) -> None:
    """By the interface and in the file that the stopped appliance left: the same gaps, and all of them."""
    lives = (told.quiet, *told.between, told.stressed)
    missing = sum(one.life.missing_before(one.frames_received) for one in lives)
    for axis in AXES:
        in_file = [(gap.cause.value, gap.samples_missing) for gap in told.ledger_by_file[axis]]
        assert sorted(in_file, key=str) == sorted(told.ledger_by_api[axis], key=str)
        by_sequence = [n for cause, n in in_file if cause == GapCause.SEQUENCE_GAP]
        assert None not in by_sequence
        assert sum(n or 0 for n in by_sequence) == missing * SAMPLES_PER_FRAME
        unplugged = [cause for cause, _ in in_file if cause != GapCause.SEQUENCE_GAP]
        assert unplugged == [GapCause.SERIAL_LOSS] * (len(lives) - 1)  # between them, of unknown size


def test_gaps_lie_in_order_and_do_not_overlap(told: Told) -> None:
    """A sample is missing once."""
    for axis in AXES:
        gaps = told.ledger_by_file[axis]
        assert all(gap.start_ns <= gap.end_ns for gap in gaps)
        assert all(one.end_ns <= next_.start_ns for one, next_ in pairwise(gaps))


def test_truth_is_read_right(tmp_path: Path) -> None:
    """The account itself, by a file whose sum is known."""
    path = tmp_path / "truth.jsonl"
    path.write_text(
        '{"t_ns": 1, "started": "S", "boot_id": 1}\n{"t_ns": 2, "lost": 0}\n{"t_ns": 3, "overrun": 3}\n'
        '{"t_ns": 4, "stalled": 5, "frames": 2}\n{"t_ns": 5, "lost": 9}\n'
        '{"t_ns": 6, "totals": {}, "next_sequence": 10}\n'
        '{"t_ns": 7, "restarted": "POWER_ON", "boot_id": 2}\n{"t_ns": 8, "totals": {}, "next_sequence": 4}\n'
    )
    first, second = read_lives(path)
    assert first.sent == [1, 2, 4, 7, 8]
    assert (first.missing_before(5), first.missing_before(3), first.missing_before(2)) == (3, 1, 0)
    assert (second.sent, second.closed) == ([0, 1, 2, 3], False)
