"""Noise in the audit's file: begun anew, whatever page it hits; never a start that fails."""

from __future__ import annotations

import random
from pathlib import Path

from appliance.journal.record import RecordClass
from appliance.reconcile.audit_book import ask_for_resend
from appliance.reconcile.slot_store import FILE_NAME, SlotStore


def test_noise_in_any_page_keeps_nothing_from_starting(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    SlotStore(path).close()
    for number in range(190):
        ask_for_resend(path, number, number + 1, {RecordClass.ALARM, RecordClass.TELEMETRY})
    sound = path.read_bytes()
    pages = len(sound) // 4096
    assert pages > 5
    for page in range(pages):
        for part in ("", "-wal", "-shm"):
            path.with_name(FILE_NAME + part).unlink(missing_ok=True)
        noise = random.Random(page).randbytes(4096)
        path.write_bytes(sound[: page * 4096] + noise + sound[(page + 1) * 4096 :])
        store = SlotStore(path)
        assert store.reports(1) == []
        store.close()
