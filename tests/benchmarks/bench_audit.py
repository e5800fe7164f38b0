"""What the arrival audit asks of a real influxd for a day of 1,000 series, beside reading all points back.

Asked for are 200 series, as many as go into one question; the figures are multiplied by five. Each series has
40 features (44 fields) and a record every quarter of an hour. A round's questions and bytes do not depend on
how often there is a record; those of reading back do: for a record every ten seconds they are 90 times what
stands here. Bytes are those of the answers, unpacked.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from appliance.clock import ReplayClock
from appliance.demo_central import DATABASE
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass, RecordKind
from appliance.journal.retention import Budgets
from appliance.reconcile.auditor import Auditor, Bounds
from appliance.reconcile.central import CentralReader, Target
from appliance.reconcile.centre_account import CentreAccount
from appliance.reconcile.report import ReportDraft
from appliance.reconcile.sent_records import SentRecords
from appliance.reconcile.slot_repair import RepairPace, SlotRepair
from appliance.reconcile.slot_store import SlotStore
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.points import encode
from dsp.extractor import FeatureVector
from dsp.samples import Quality
from tests.appliance.sinks.influx_server import local_influx
from tests.benchmarks.turns import one_core

PEER = "SELECT * of every point"
NAMES = tuple(f"band_{index}_level_dB" for index in range(40))
SERIES = 200
SCALE = 1_000 / SERIES
PERIOD_S = 900
HOURS = 24
DAY_S = 86_400
START_NS = 1_800_000_000 * 10**9 - (1_800_000_000 % DAY_S) * 10**9
DEVICE = "0123456789abcdef0123456789abcdef"


def run() -> list[dict[str, Any]]:
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder, one_core():  # influxd inherits it
        return asyncio.run(_all(Path(folder).absolute()))


async def _all(folder: Path) -> list[dict[str, Any]]:
    server = local_influx(folder)
    journal = await Journal.open(folder / "journal", Budgets(reserve_transitions=0), ReplayClock(START_NS))
    await server.start()
    reader = CentralReader(server.url, Target(DATABASE), timeout_s=300.0)
    sink = InfluxSink(Influx1Writer(server.url, DATABASE, timeout_s=300.0))
    store = SlotStore(folder / "audit.sqlite")
    try:
        await _fill(journal)
        records = SentRecords(
            journal,
            lambda record, names: encode(record, DEVICE, "hall-1", names),
            journal.queries.name_list,
            send_provisional=False,
        )
        centre = CentreAccount(reader, DEVICE, rest_s=0.0)
        pace = RepairPace(points_per_s=1e9, bytes_per_s=1e12)
        auditor = Auditor(store, records, centre, SlotRepair(store, records, centre, sink, pace=pace))
        end_ns = START_NS + DAY_S * 10**9
        sent = dict.fromkeys(RecordClass, journal.last_sequence)
        bounds = Bounds(START_NS, end_ns, sent, frozenset())

        async def round_() -> tuple[int, int, float, float, ReportDraft]:
            draft = ReportDraft("", "bench", 0)
            questions, heard = reader.questions, reader.answer_bytes
            began_s, cpu_s = time.perf_counter(), time.process_time()
            await auditor.audit(bounds, draft)
            return (
                reader.questions - questions,
                reader.answer_bytes - heard,
                time.perf_counter() - began_s,
                time.process_time() - cpu_s,
                draft,
            )

        async def told(_: int) -> None: ...

        await auditor.resend([RecordKind.FEATURES], (START_NS, end_ns), bounds, told)
        await auditor.take_up(journal.last_sequence, 0)
        _, _, _, first_cpu_s, draft = await round_()
        assert draft.figures["slots_confirmed"] == draft.figures["slots_audited"] == SERIES * HOURS
        questions, heard, took_s, cpu_s, _ = await round_()
        stored = (folder / "audit.sqlite").stat().st_size
        peer = await _peer(reader)
        for number in range(0, SERIES, 100):
            await asyncio.to_thread(
                server.ask,
                f"DELETE FROM features WHERE channel = 'series-{number}' "
                f"AND time < {START_NS + 3600 * 10**9}",
            )
        lost_questions, lost_heard, _, _, draft = await round_()
        assert draft.figures["records_resent"] == SERIES // 100 * 3600 // PERIOD_S
    finally:
        await reader.close()
        await sink.close()
        store.close()
        await journal.close()
        await server.kill()
    return [
        _row("questions, all agrees", "1", questions, peer[0]),
        _row("answers, all agrees", "MB", heard / 1e6, peer[1] / 1e6),
        _row("time on the server's own core", "s", took_s, peer[2]),
        _row("questions, 1 % of the series lack an hour", "1", lost_questions, None),
        _row("answers, the same", "MB", lost_heard / 1e6, None),
        _row("own processor time, all agrees", "s", cpu_s, None),
        _row("own processor time to add up, once", "s", first_cpu_s - cpu_s, None),
        _row("kept on the disk", "MB", stored / 1e6, None),
    ]


async def _fill(journal: Journal) -> None:
    chance = np.random.default_rng(1)
    n = 0
    for second in range(0, DAY_S, PERIOD_S):
        values = chance.normal(-60.0, 3.0, (SERIES, len(NAMES))).astype(np.float32)
        for number in range(SERIES):
            vector = FeatureVector(
                f"series-{number}",
                second * 10**9,
                float(PERIOD_S),
                NAMES,
                values[number],
                "speed-25",
                Quality.GOOD,
                "trend-1",
            )
            journal.submit(features_record(vector))
        n += SERIES
        while journal.waiting > 10_000:
            await asyncio.sleep(0.02)
    while sum(one.records for one in journal.backlog() if one.record_class is RecordClass.TELEMETRY) < n:
        await asyncio.sleep(0.1)


async def _peer(reader: CentralReader) -> tuple[float, float, float]:
    """Questions, bytes and seconds of reading everything back."""
    heard, began_s = reader.answer_bytes, time.perf_counter()
    for number in range(SERIES):
        await reader.ask(
            f"SELECT * FROM features WHERE device_id = '{DEVICE}' AND channel = 'series-{number}' "
            f"AND time >= {START_NS} AND time < {START_NS + DAY_S * 10**9} GROUP BY *"
        )
    return SERIES, reader.answer_bytes - heard, time.perf_counter() - began_s


def _row(figure: str, unit: str, ours: float, peer: float | None) -> dict[str, Any]:
    return {
        "bench": "audit",
        "figure": f"{figure}, per day and 1,000 series",
        "unit": unit,
        "ours": ours * SCALE,
        "peer": None if peer is None else peer * SCALE,
        "peer_name": PEER if peer is not None else "",
        "ratio": None if peer is None else peer / ours,
    }
