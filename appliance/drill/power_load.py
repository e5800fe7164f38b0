"""A box's stores under load, for a power cut: `python -m appliance.drill.power_load FOLDER COMMITS [LINE]`.

Duty: writes alarms, counters, limits, telemetry, a webhook's messages and the courier's cursors by the
product's own code, and says on standard output what it was promised; that is the witness. It ends without
closing anything. Said are: `steady` (every store has something), `ack CLASS KEY`, `sent NS` (telemetry
handed over), `took SEQUENCE` (a message is on disk), `settle SEQUENCE` (it may leave), `save CLASS LIVE` (a
cursor is about to be saved), `saved CLASS LIVE`. With a LINE (`power_line`) the cursors are those of a
courier that delivers meanwhile, and said is `there CLASS KEY ...` (the centre has them).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import numpy as np
import orjson

from appliance.clock import Discipline, SystemClock
from appliance.drill.power_line import courier
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.retention import Budgets
from appliance.sinks.outbox import FILE_NAME as OUTBOX_FILE
from appliance.sinks.outbox import Outbox
from appliance.sinks.outbox_dead import DeadLetter
from appliance.sinks.webhook_message import Message
from appliance.sinks.webhook_queue import Fate, Settled
from appliance.sinks.webhook_store import WebhookStore
from dsp.extractor import FeatureVector
from dsp.samples import Quality

HOOK = "receiver"
CHANNEL = "pump-1.de.x"
WINDOW_S = 0.02
QUIET_AFTER, QUIET_S = 50, 1.2  # commits; then telemetry waits for company as long as it ever does
BANDS = tuple(f"band_{index}_level_dB" for index in range(40))
EVIDENCE = {f"line_{order}": {"frequency_hz": 104.6 * order, "over_dB": 14.2} for order in range(12)}
DURABLE = {
    RecordClass.ALARM: RecordKind.ALARM_TRANSITION,
    RecordClass.COUNTER: RecordKind.COUNTER_VALUE,
    RecordClass.LIMIT: RecordKind.LEARNED_LIMIT,
}


def say(*words: object) -> None:
    """One line, at once in the kernel's hands."""
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


def window(start_ns: int) -> NewRecord:
    """One window of telemetry, made at this monotonic time."""
    values = np.full(len(BANDS), start_ns % 1000, dtype=np.float32)
    return features_record(
        FeatureVector(CHANNEL, start_ns, WINDOW_S, BANDS, values, "speed-25", Quality.GOOD, "trend-1")
    )


async def durable(journal: Journal, commits: int) -> None:
    """Commit alarms, a counter and a limit, again and again."""
    for number in range(commits):
        classes = (
            [RecordClass.ALARM]
            + [RecordClass.COUNTER] * (number % 2)
            + [RecordClass.LIMIT] * (number % 8 == 7)
        )
        records = [
            NewRecord(
                record_class,
                DURABLE[record_class],
                f"{record_class}/{number}",
                f"{record_class}-{number % 5}",
                time.monotonic_ns(),
                orjson.dumps({"number": number, "evidence": EVIDENCE}),
            )
            for record_class in classes
        ]
        if (await journal.commit(records)).durable:
            for record in records:
                say("ack", record.record_class, record.key)
        await asyncio.sleep(QUIET_S if number % QUIET_AFTER == QUIET_AFTER - 1 else 0.002)


async def telemetry(journal: Journal) -> None:
    """Hand over a window every 20 ms, for ever."""
    while True:
        start_ns = time.monotonic_ns()
        journal.submit(window(start_ns))
        say("sent", start_ns)
        await asyncio.sleep(WINDOW_S)


async def webhooks(folder: Path) -> None:
    """Take messages in, settle those before, for ever."""
    store = WebhookStore.open(folder)
    store.begin(HOOK, 0)
    sequence = 0
    while True:
        sequence += 1
        message = Message(f"msg_{sequence}", f"alarm-{sequence % 3}", sequence, "raised", b"x" * 900)
        if await store.take(HOOK, message, (message.alarm_id, sequence), sequence):
            say("took", sequence)
        if sequence % 2 == 0:
            say("settle", sequence - 1)
            before = Message(f"msg_{sequence - 1}", "", sequence - 1, "raised", b"")
            await store.settle(HOOK, Settled(before, Fate.DELIVERED, 1, 0.0, 0.0), "", time.time_ns())
        await asyncio.sleep(0.02)


async def cursors(folder: Path) -> None:
    """Save how far two classes were delivered, and a refusal now and then, for ever."""
    outbox = Outbox(folder / OUTBOX_FILE)
    lanes = outbox.lanes("life", 1 << 39)
    number = 0
    while True:
        number += 1
        lane = lanes[RecordClass.ALARM if number % 2 else RecordClass.TELEMETRY]
        lane.live += 7
        lane.delivered += 7
        dead = (
            [DeadLetter(number, lane.record_class, f"key-{number}", "refused", 0)] if number % 9 == 0 else []
        )
        say("save", lane.record_class, lane.live)
        await asyncio.to_thread(outbox.save, lane, dead)
        say("saved", lane.record_class, lane.live)
        await asyncio.sleep(0.02)


async def delivering(journal: Journal, folder: Path, line: str) -> None:
    """Deliver what is committed over a line that is bad every other moment, for ever."""
    one, _ = courier(journal, folder, lambda record_class, keys: say("there", record_class, *keys), line)
    await one.run()


async def load(folder: Path, commits: int, line: str = "") -> None:
    """Everything at once, until so many commits are acknowledged."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    clock = SystemClock(discipline=lambda: Discipline(True))
    journal = await Journal.open(folder, Budgets(reserve_transitions=0), clock)
    say("open")
    outbound = delivering(journal, folder, line) if line else cursors(folder)
    others = [asyncio.create_task(work) for work in (telemetry(journal), webhooks(folder), outbound)]
    while not journal.latest(RecordKind.FEATURES):  # noqa: ASYNC110 - a channel that never was heard has no gap
        await asyncio.sleep(0.01)
    say("steady")
    await durable(journal, commits)
    failed = [task.exception() for task in others if task.done()]
    if failed:
        raise RuntimeError(f"the load ended early: {failed}")
    os._exit(0)  # no clean close: what is not flushed by now was never promised


if __name__ == "__main__":
    asyncio.run(load(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
