"""What leaves the box for the centre is what the table in docs/influx-schema.md says, and no byte more."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from unittest.mock import AsyncMock

from aiohttp import web
from aiohttp.test_utils import TestServer

from appliance.capture_segment import decode_segment
from appliance.captured_object import CapturedObjects
from appliance.clock import ReplayClock
from appliance.inspection_knowledge import CameraKnowledge
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.sinks.capture_courier import CaptureCourier
from appliance.sinks.capture_cursor import CaptureCursor
from appliance.sinks.courier import KINDS
from appliance.sinks.object_store import ObjectStore, StorePlace
from appliance.sinks.webhook_message import iso_time
from tests.appliance.capture_rig import capture_rig, raised
from tests.appliance.inspection_rig import LEARN, inspection_rig
from tests.appliance.journal.builders import START_NS
from tests.appliance.sinks.test_courier_turns import Taker
from tests.appliance.sinks.way import everything, journal_in, way
from tests.appliance.test_inspection_line import Model
from tests.fakes.drawn_parts import DrawnParts

SCHEMA = Path(__file__).parents[3] / "docs" / "influx-schema.md"
STAYS = "a-waveform-that-nobody-may-see"


def documented(column: int = 0) -> dict[str, set[str]]:
    """Kinds by class, in the order of the table; columns are those of the centre and of the object store."""
    section = SCHEMA.read_text(encoding="utf-8").split("## What may leave the box")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)[1:]
    told = {name: columns[column] for name, *columns in rows}
    return {name: set() if kinds == "nothing" else set(kinds.split(", ")) for name, kinds in told.items()}


def test_the_table_names_every_class_and_what_the_courier_takes_of_it_in_its_order() -> None:
    told = documented()
    assert set(told) == {str(one) for one in RecordClass}
    leaving = {str(one): {kind.replace("_", " ") for kind in kinds} for one, kinds in KINDS.items()}
    assert {name: kinds for name, kinds in told.items() if kinds} == leaving
    assert [name for name, kinds in told.items() if kinds] == list(leaving)
    stays = {RecordKind.CAPTURE}
    assert set().union(*KINDS.values()) == set(RecordKind) - stays, "a new kind of record has no line here"


async def test_the_object_store_gets_captures_alone_and_every_byte_of_it_is_accounted_for(
    tmp_path: Path,
) -> None:
    """All that goes over the wire of a box that holds everything, seen from the other end."""
    assert {name for name, kinds in documented(1).items() if kinds} == {str(RecordClass.CAPTURE)}
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        seen.append((request.method, request.path, dict(request.headers), body))
        return web.Response() if request.method == "PUT" else web.Response(status=405)

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server, capture_rig(tmp_path) as rig:
        await everything(rig.journal, ReplayClock(START_NS))
        rig.deliver(30.0, raised(30.0, STAYS))
        rig.deliver(40.0)
        (capture,) = await rig.stored()
        store = ObjectStore(StorePlace(str(server.make_url("/")), "here"))
        courier = CaptureCourier(
            rig.journal, store, CaptureCursor(tmp_path / "cursor"),
            load=CapturedObjects(rig.files, "device-1", "p").load, watch=AsyncMock(), where="here",
            daily_budget_bytes=1 << 30, send_provisional=False, wall_ns=lambda: START_NS,
        )  # fmt: skip
        while await courier.step():
            pass
        await store.close()
        parts = {part.file: rig.files.path(part.file).read_bytes() for part in capture.parts}
    puts = {path: body for method, path, _, body in seen if method == "PUT"}
    assert puts == {f"/p/device-1/motor-1/{capture.capture_id}/{name}": body for name, body in parts.items()}
    assert [body for method, _, _, body in seen if method != "PUT"] == [b""] * len(parts)
    told = {
        name.lower(): value
        for method, _, headers, _ in seen
        if method == "PUT"
        for name, value in headers.items()
    }
    about = {name: value for name, value in told.items() if name.startswith("x-amz-meta-")}
    assert about == {
        "x-amz-meta-device-id": "device-1",
        "x-amz-meta-asset": "motor-1",
        "x-amz-meta-trigger-time": iso_time(capture.trigger_time_ns),
        "x-amz-meta-time-trusted": "true",
        "x-amz-meta-alarms": STAYS,
    }
    plain = {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "content-length",
        "content-type",
        "content-md5",
    }
    assert set(told) - set(about) == plain


async def test_of_a_camera_s_pictures_only_those_of_unsure_parts_leave_within_the_day_s_bytes(
    tmp_path: Path,
) -> None:
    """Seen from the other end: each picture that came over the wire, by the part that it is of."""
    sent: list[bytes] = []

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        if request.method == "PUT":
            sent.append(body)
        return web.Response() if request.method == "PUT" else web.Response(status=405)

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", handle)
    model, parts = Model(), DrawnParts(10)
    knowledge = CameraKnowledge(LEARN, model)
    async with (
        TestServer(app) as server,
        inspection_rig(tmp_path, make=lambda: knowledge, budget_bytes=30_000) as rig,
    ):
        shown: dict[str, list[int]] = {}
        for what, score in (
            ("defect", 3.0),
            ("unsure", 0.95),
            ("unsure", 1.05),
            ("unsure", 0.97),
            ("good", 0.3),
        ):
            model.score = score
            (verdict,) = await rig.show(parts.good())
            shown.setdefault(what, []).append(verdict.part.number)
        await rig.captures()
        store = ObjectStore(StorePlace(str(server.make_url("/")), "here"))
        courier = CaptureCourier(
            rig.house.journal, store, CaptureCursor(tmp_path / "cursor"),
            load=CapturedObjects(rig.house.files, "device-1", "p").load, watch=AsyncMock(), where="here",
            daily_budget_bytes=1 << 30, send_provisional=False, wall_ns=lambda: START_NS,
        )  # fmt: skip
        while await courier.step():
            pass
        await store.close()
    left = [decode_segment(body).head.triggers[0]["part"] for body in sent]
    assert left == shown["unsure"][:2]  # the third would pass the day's bytes
    assert all(decode_segment(body).picture for body in sent)


async def test_no_byte_of_a_capture_leaves(tmp_path: Path) -> None:
    """The journal holds everything, and a capture beside it."""
    clock = ReplayClock(START_NS)
    sink = Taker()
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, sink=sink) as one:
        capture = f'{{"subject": "{STAYS}"}}'.encode()
        await journal.commit(
            [NewRecord(RecordClass.CAPTURE, RecordKind.AUDIT, "capture/1", STAYS, 10**9, capture)]
        )
        await everything(journal, clock)
        await one.drained()
    assert {batch.record_class for batch in sink.batches} == set(KINDS)
    sent = b"".join(gzip.decompress(batch.body) for batch in sink.batches)
    assert b"pump-1.de.x" in sent
    assert STAYS.encode() not in sent
