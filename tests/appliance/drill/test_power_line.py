"""The power goes while a courier delivers over a bad line: the next start brings the rest, nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.drill.fault_power import PowerReport, cut_everywhere, recorded
from appliance.drill.power_after import DELIVERY, _descents
from appliance.drill.power_trace import NotTraceable
from tests.conftest import ROOT

COMMITS, SEEDS, CUTS = 60, 2, 12


def cut(folder: Path, line: str, module: str = "appliance.drill.power_load") -> PowerReport:
    try:
        calls = recorded(folder, COMMITS, module, line=line)
    except NotTraceable as error:
        pytest.skip(f"NOT TESTED: {error}")
    return cut_everywhere(calls, folder, SEEDS, CUTS, line=line)


@pytest.mark.parametrize("line", ["black-hole", "late-answer"])
def test_what_a_cut_left_undelivered_is_delivered_by_the_next_start(tmp_path: Path, line: str) -> None:
    found = cut(tmp_path, line)
    assert found.damaged == []
    rows = {row.record_class: row for row in found.rows}
    assert set(rows) == {"alarm", "counter", "limit", "telemetry", "webhook", DELIVERY}
    assert all(row.faults == ("power", line) and row.kept for row in rows.values()), rows
    assert rows[DELIVERY].outcome.produced > 10 * found.cuts


def test_a_receipt_for_what_never_arrived_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    found = cut(tmp_path, "black-hole", "tests.appliance.drill.forgetful_load")
    row = next(row for row in found.rows if row.record_class == DELIVERY)
    assert row.outcome.lost > 0 and not row.kept


def test_how_many_orders_are_mixed() -> None:
    assert [_descents(one) for one in ([], [1, 2, 3], [1, 5, 2, 6, 3], [3, 2, 1])] == [0, 1, 2, 3]
