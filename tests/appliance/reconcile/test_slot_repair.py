"""What the repair of slots keeps in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.journal.record import RecordKind
from appliance.reconcile import slot_repair
from appliance.reconcile.audit import Slot, SlotState
from appliance.reconcile.slot_repair import SlotRepair
from appliance.reconcile.slot_store import FILE_NAME, SlotStore


def test_what_a_centre_forgot_long_ago_is_not_remembered_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_repair, "MOST_WAITING", 4)
    store = SlotStore(tmp_path / FILE_NAME)
    repair = SlotRepair(store, None, None, None)  # type: ignore[arg-type]  # asks nobody
    store.close()
    latest = Slot(RecordKind.TAG, "flow", -1, 1, 1, 1, SlotState.FORGOTTEN, 2)
    tries = []
    for number in range(40):  # hours come and go; one is met again in each round
        repair._tried_again(Slot(RecordKind.TAG, "flow", number, 1, 1, 1, SlotState.FORGOTTEN, 2))
        tries.append(repair._tried_again(latest))
        assert len(repair._forgotten) <= 4
    assert [round_ for round_, tried in enumerate(tries) if tried] == [1, 5, 13, 29], "ever less often"
