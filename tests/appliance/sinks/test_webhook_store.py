"""The webhooks' file: bounded dead letters, counted; waits that a set clock cannot stretch."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.sinks import webhook_store
from appliance.sinks.webhook_message import Message
from appliance.sinks.webhook_queue import Fate, Settled
from appliance.sinks.webhook_store import StoredMessage, WebhookStore, read_states


def message(sequence: int) -> Message:
    return Message(f"msg_{sequence}", "a", sequence, "raised", b"{}")


def dead(sequence: int) -> Settled:
    return Settled(message(sequence), Fate.DEAD, 9, 3600.0, 0.0)


async def test_of_too_many_dead_letters_the_oldest_leave_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_store, "MAX_DEAD", 3)
    store = WebhookStore.open(tmp_path)
    for hook in ("cmms", "other"):
        store.begin(hook, 0)
        for sequence in range(1, 6):
            await store.take(hook, message(sequence), ("a", 1), sequence)
    for sequence in range(1, 6):
        await store.settle("cmms", dead(sequence), "status 500", sequence)
    assert store.counts("cmms") == (3, 2)
    assert store.counts("other") == (0, 0)
    store.close()
    cmms, other = read_states(tmp_path)
    assert [one.message.sequence for one in cmms.dead] == [3, 4, 5]
    assert (len(cmms.waiting), len(other.waiting), cmms.cursor) == (0, 5, 5)


@pytest.mark.parametrize(("now_s", "expected_s"), [(100, 20.0), (0, 30.0), (1e9, 0.0), (95, 25.0)])
def test_what_is_left_of_a_wait_is_neither_negative_nor_longer(now_s: float, expected_s: float) -> None:
    stored = StoredMessage(message(1), 1, 5.0, 120 * 10**9, 30.0, "", None)
    assert stored.remaining_s(round(now_s * 1e9)) == expected_s
