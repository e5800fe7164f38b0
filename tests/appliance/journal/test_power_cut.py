"""The power goes: what was not flushed is gone, torn or out of order, and still nothing promised is lost.

The stores of a box run under load and under strace. From that record disks are rebuilt as a cut may have left
them, at 200 places, and opened as after a restart (`appliance/drill`). What this cannot show is a disk that
lies about its flushes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.drill.fault_power import LEAST_CUTS, LONGEST_LOSS_S, PowerReport, cut_everywhere, recorded
from appliance.drill.power_trace import Call, Flush, NotTraceable, Said, Write
from appliance.journal.store import FILE_NAME
from tests.conftest import ROOT

SEEDS = 20
FEW = 60  # commits of the store that never flushes


def trace(folder: Path, **wish: object) -> list[Call]:
    try:
        return recorded(folder, **wish)  # type: ignore[arg-type]
    except NotTraceable as error:
        pytest.skip(f"NOT TESTED: {error}")


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Call]:
    return trace(tmp_path_factory.mktemp("power"))


@pytest.fixture(scope="module")
def cut(calls: Sequence[Call], tmp_path_factory: pytest.TempPathFactory) -> PowerReport:
    return cut_everywhere(calls, tmp_path_factory.mktemp("cut"), SEEDS, every_loss=False)


def test_the_record_has_all_that_a_cut_can_hit(calls: Sequence[Call]) -> None:
    """Otherwise the tests below would cut nothing: a log that was brought into the file and begun anew."""
    to_file = [call for call in calls if isinstance(call, Write) and call.path.endswith(FILE_NAME)]
    to_log = [call for call in calls if isinstance(call, Write) and call.path.endswith(FILE_NAME + "-wal")]
    assert len(to_file) > 50, "no checkpoint"
    assert sum(call.offset == 0 for call in to_log) >= 2, "the log was never begun anew"
    assert {Path(call.path).name for call in calls if isinstance(call, Flush)} >= {
        FILE_NAME,
        FILE_NAME + "-wal",
        "webhooks.sqlite-wal",
        "outbox.sqlite",
    }


def test_no_power_cut_loses_what_was_promised(cut: PowerReport) -> None:
    assert cut.points >= LEAST_CUTS
    assert cut.cuts == cut.points, "one sort of loss each; `stethos drill` has them all at every point"
    assert cut.damaged == [], "a cut must not leave a file that has to be set aside"
    rows = {row.record_class: row for row in cut.rows}
    assert set(rows) == {"alarm", "counter", "limit", "telemetry", "webhook", "cursor"}
    for row in rows.values():
        assert row.outcome.produced > cut.cuts
        assert row.kept, row


def stood_s(calls: Sequence[Call]) -> float:
    """How much longer than it should the worst of the webhooks' messages took to be on the disk.

    The load takes one after the other, 20 ms apart, each with a flush of its own. What such a bystander
    waits, the journal waits for each of its flushes.
    """
    took_s = [call.at_s for call in calls if isinstance(call, Said) and call.words[0] == "took"]
    return max(0.0, max(later - earlier for earlier, later in pairwise(took_s)) - 0.1)


def test_a_power_cut_costs_a_second_of_telemetry_at_most_and_leaves_a_gap(
    cut: PowerReport, calls: Sequence[Call]
) -> None:
    assert 0.0 < cut.telemetry_lost_s <= LONGEST_LOSS_S + 3 * stood_s(calls)
    telemetry = cut.outcomes["telemetry"]
    assert 0 < telemetry.lost < telemetry.produced
    assert telemetry.declared == telemetry.lost


def test_stores_that_do_not_flush_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with `synchronous=OFF` in every store: the drill must see it."""
    monkeypatch.chdir(ROOT)
    calls = trace(tmp_path, commits=FEW, module="tests.appliance.journal.careless_load")
    found = cut_everywhere(calls, tmp_path, 2, 20)
    rows = {row.record_class: row for row in found.rows}
    for record_class in ("alarm", "counter", "webhook"):
        assert rows[record_class].outcome.lost > 0, record_class
        assert not rows[record_class].kept
