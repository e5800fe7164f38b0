"""The journal beside plain SQLite as a practitioner would write it.

The peer is one thread with the standard library's sqlite3, WAL and synchronous=FULL, a table (channel, time,
JSON) with an index, one autocommit per record where the record must be durable, one transaction per 1,000
rows where it need not. Both write to the same disk, turn by turn; figures are medians of the turns.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson

from appliance.clock import ReplayClock
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.pending import PendingRecord
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.retention import Budgets
from appliance.journal.store import FILE_NAME, Store
from appliance.journal.upkeep import Upkeep, thread_written_bytes
from dsp.extractor import FeatureVector
from dsp.samples import Quality

PEER = "sqlite3, WAL, FULL, JSON rows"
CHANNELS = ("pump-1.de.x", "pump-1.de.y", "pump-1.de.z")
NAMES = tuple(f"band_{index}_level_dB" for index in range(40))
VECTORS_PER_S = 1.5
DAY_S = 86_400
START_NS = 1_800_000_000 * 10**9
TURNS = 5
SINGLE_COMMITS = 100
CONCURRENT = 50
GROUP_RECORDS = 10_000  # whole batches: nothing waits for company
WEAR_S = 600  # of telemetry as it comes, one group commit per second


def run() -> list[dict[str, Any]]:
    # Not in /tmp, which is memory on many systems: the figures are about a disk.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder:
        return asyncio.run(_all(Path(folder)))


async def _all(folder: Path) -> list[dict[str, Any]]:
    journal = await Journal.open(folder / "ours", Budgets(reserve_transitions=0), ReplayClock(START_NS))
    peer = Peer(folder / "peer.sqlite")
    rows = await _commits(journal, peer)
    rows += await _telemetry(journal, peer)
    rows += await _day(journal, peer, folder)
    await journal.close()
    peer.connection.close()
    rows.append(_wear(folder))
    return rows


class Peer:
    """A plain table of JSON rows."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE record (channel TEXT, time_ns INTEGER, body TEXT)",
            "CREATE INDEX by_time ON record (channel, time_ns)",
        ):
            self.connection.execute(statement)

    def insert(self, channel: str, time_ns: int, body: bytes) -> None:
        self.connection.execute("INSERT INTO record VALUES (?,?,?)", (channel, time_ns, body.decode()))


async def _commits(journal: Journal, peer: Peer) -> list[dict[str, Any]]:
    ours: list[float] = []
    shared: list[float] = []
    theirs: list[float] = []
    latencies_ms: list[float] = []
    number = 0
    for _ in range(TURNS):
        started = time.perf_counter()
        for _ in range(SINGLE_COMMITS):
            number += 1
            before = time.perf_counter()
            await journal.commit([_alarm(number)])
            latencies_ms.append((time.perf_counter() - before) * 1e3)
        ours.append(SINGLE_COMMITS / (time.perf_counter() - started))

        started = time.perf_counter()
        for index in range(SINGLE_COMMITS):
            peer.insert("alarm", START_NS + index, _alarm(index).payload)
        theirs.append(SINGLE_COMMITS / (time.perf_counter() - started))

        started = time.perf_counter()
        await asyncio.gather(*(journal.commit([_alarm(number + 1 + n)]) for n in range(CONCURRENT)))
        number += CONCURRENT
        shared.append(CONCURRENT / (time.perf_counter() - started))
    return [
        _row("durable commits, one at a time", "1/s", median(ours), median(theirs)),
        _row(f"durable commits, {CONCURRENT} at once", "1/s", median(shared), median(theirs)),
        _row("durable commit, p50", "ms", float(np.percentile(latencies_ms, 50)), None),
        _row("durable commit, p99", "ms", float(np.percentile(latencies_ms, 99)), None),
    ]


async def _telemetry(journal: Journal, peer: Peer) -> list[dict[str, Any]]:
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(TURNS):
        vectors = [_vector("load", turn * GROUP_RECORDS + index) for index in range(GROUP_RECORDS)]
        started = time.perf_counter()
        for vector in vectors:
            journal.submit(features_record(vector))
        await _flushed(journal)
        ours.append(GROUP_RECORDS / (time.perf_counter() - started))
        started = time.perf_counter()
        _insert_groups(peer, vectors)
        theirs.append(GROUP_RECORDS / (time.perf_counter() - started))
    return [_row("telemetry vectors, 40 features, grouped", "1/s", median(ours), median(theirs))]


async def _day(journal: Journal, peer: Peer, folder: Path) -> list[dict[str, Any]]:
    """A day of three channels, written as fast as it goes; then what it takes and how long a trend takes."""
    await _flushed(journal)
    log = folder / "ours" / (FILE_NAME + "-wal")
    before = (_size(folder / "ours" / FILE_NAME), _size(folder / "peer.sqlite"))
    for channel_id in CHANNELS:
        for first in range(0, round(DAY_S * VECTORS_PER_S), GROUP_RECORDS):
            last = min(first + GROUP_RECORDS, round(DAY_S * VECTORS_PER_S))
            vectors = [_vector(channel_id, index) for index in range(first, last)]
            for vector in vectors:
                journal.submit(features_record(vector))
            await _flushed(journal)
            _insert_groups(peer, vectors)
    journal._writer.store.checkpoint()  # type: ignore[union-attr] # the file's size, its log brought in
    peer.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sizes = (_size(folder / "ours" / FILE_NAME) - before[0], _size(folder / "peer.sqlite") - before[1])
    assert log.exists()
    day = (START_NS, START_NS + DAY_S * 10**9)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        trends = [await journal.features(channel_id, NAMES[7], *day) for channel_id in CHANNELS]
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        lists = [_peer_trend(peer, channel_id, *day) for channel_id in CHANNELS]
        theirs.append(time.perf_counter() - started)
        assert [len(values) for _, values in trends] == [len(values) for values in lists] == [129_600] * 3
    checked = await _timed(lambda: _quick_check(folder / "ours" / FILE_NAME))
    return [
        _row("one feature over a day, 3 channels", "s", median(ours), median(theirs)),
        _row("file per day, 3 channels x 1.5/s x 40 features", "MB", sizes[0] / 1e6, sizes[1] / 1e6),
        _row("check of that file at the start", "s", checked, None),
    ]


def _wear(folder: Path) -> dict[str, Any]:
    """Bytes handed to the disk per day, telemetry as it comes: 3 or 6 records in a group commit a second."""
    store = Store(folder / "wear.sqlite", "boot")
    upkeep = Upkeep(Budgets(reserve_transitions=0))
    before = thread_written_bytes()
    for second in range(WEAR_S):
        indices = (2 * second, 2 * second + 1) if second % 2 else (2 * second,)
        batch = [
            PendingRecord(features_record(vector), START_NS + vector.start_ns, True, 0)
            for index in indices
            for vector in (_vector(channel_id, index) for channel_id in CHANNELS)
        ]
        store.write(batch, [])
        upkeep.book(store, batch)
        upkeep.run(store, None, trimming=True)
    store.checkpoint()
    ours = (thread_written_bytes() - before) * DAY_S / WEAR_S
    store.close()
    peer = Peer(folder / "wear-peer.sqlite")
    before = thread_written_bytes()
    for second in range(WEAR_S):
        for index in (2 * second, 2 * second + 1) if second % 2 else (2 * second,):
            for channel_id in CHANNELS:
                peer.insert(channel_id, START_NS + index, _body(_vector(channel_id, index)))
    peer.connection.close()
    theirs = (thread_written_bytes() - before) * DAY_S / WEAR_S
    return _row("written to the disk per day (wear)", "GB", ours / 1e9, theirs / 1e9, "the same, autocommit")


def _insert_groups(peer: Peer, vectors: list[FeatureVector]) -> None:
    for first in range(0, len(vectors), 1_000):
        peer.connection.execute("BEGIN")
        for vector in vectors[first : first + 1_000]:
            peer.insert(vector.channel_id, START_NS + vector.start_ns, _body(vector))
        peer.connection.execute("COMMIT")


def _peer_trend(peer: Peer, channel_id: str, start_ns: int, end_ns: int) -> list[float]:
    return [
        orjson.loads(body)[NAMES[7]]
        for (body,) in peer.connection.execute(
            "SELECT body FROM record WHERE channel=? AND time_ns BETWEEN ? AND ? ORDER BY time_ns",
            (channel_id, start_ns, end_ns),
        )
    ]


_VALUES = np.random.default_rng(7).normal(-40.0, 10.0, (64, len(NAMES))).astype(np.float32)


def _vector(channel_id: str, index: int) -> FeatureVector:
    start_ns = round(index / VECTORS_PER_S * 1e9)
    return FeatureVector(
        channel_id, start_ns, 1.28, NAMES, _VALUES[index % 64], "speed-25/load-50", Quality.GOOD, "trend-1"
    )


def _body(vector: FeatureVector) -> bytes:
    named = dict(zip(vector.names, vector.values, strict=True))
    return orjson.dumps(named, option=orjson.OPT_SERIALIZE_NUMPY)  # the shortest digits of a float32


def _alarm(number: int) -> NewRecord:
    evidence = {f"line_{order}": {"frequency_hz": 104.6 * order, "over_dB": 14.2} for order in range(20)}
    return NewRecord(
        RecordClass.ALARM,
        RecordKind.ALARM_TRANSITION,
        f"alarm/{number}",
        f"pump-{number % 10}.machine-condition",
        number,
        orjson.dumps({"number": number, "evidence": evidence}),
    )


async def _flushed(journal: Journal) -> None:
    while not journal._writer._queue.empty or journal._writer._busy_since_ns is not None:
        await asyncio.sleep(0.001)


async def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    await asyncio.to_thread(action)
    return time.perf_counter() - started


def _quick_check(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    connection.close()


def _size(path: Path) -> int:
    return path.stat().st_size


def _row(figure: str, unit: str, ours: float, peer: float | None, peer_name: str = PEER) -> dict[str, Any]:
    return {
        "bench": "journal",
        "figure": figure,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": None if peer is None else peer_name,
        "ratio": None if not peer else ours / peer,
    }
