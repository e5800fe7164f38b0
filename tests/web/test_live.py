"""Live streams: nothing of an alarm is missed, nobody's slowness costs memory, and all of them end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.web.conftest import PASSWORD, Site, sign_in
from tests.web.test_routes import problem_of
from web.live import Frames, LiveHub, LiveStream, Outbox, frame_of
from web.schemas import AlarmTransitionView, MachineDetail
from web.station_view import LiveUpdate

PATIENCE_S = 60.0


class Wire:
    """The ASGI ends of one stream; `block()` makes the client take nothing more."""

    def __init__(self, stream: LiveStream) -> None:
        self.sent = b""
        self.finished = False
        self._takes = asyncio.Event()
        self._takes.set()
        self._gone = asyncio.Event()
        self._news = asyncio.Condition()
        self.task = asyncio.create_task(stream({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self._takes.wait()
        async with self._news:
            self.sent += message.get("body", b"")
            self.finished = message["type"] == "http.response.body" and not message["more_body"]
            self._news.notify_all()

    def block(self) -> None:
        self._takes.clear()

    def hang_up(self) -> None:
        self._gone.set()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(met)

    @property
    def sequences(self) -> list[int]:
        return [int(line[4:]) for line in self.sent.split(b"\n") if line.startswith(b"id: ")]

    @property
    def events(self) -> list[str]:
        return [line[7:].decode() for line in self.sent.split(b"\n") if line.startswith(b"event: ")]


def hub_of(site: Site, **bounds: Any) -> LiveHub:
    return LiveHub(site.station, lambda digest: digest != "ended", **bounds)


async def alarms(site: Site, count: int) -> None:
    machine = next(iter(site.station._machines.values()))
    for _ in range(count):
        await site.station.transit("updated", "appliance", site.station.new_alarm(machine, "watch", 1))


async def settle(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            await asyncio.sleep(0.001)


async def test_latest_states_and_alarms_with_their_sequence(site: Site) -> None:
    wire = Wire(hub_of(site).open("s", None))
    await wire.until(lambda: "appliance" in wire.events)
    assert wire.sent.startswith(b"retry: ")
    assert set(wire.events) == {"machines", "machine", "appliance"}
    assert wire.events.count("machine") == 3
    await alarms(site, 1)
    await wire.until(lambda: "alarm" in wire.events)
    assert wire.sequences == [1]
    frame = next(part for part in wire.sent.split(b"\n\n") if b"event: alarm" in part)
    identity, event, data = frame.split(b"\n")
    assert (identity, event) == (b"id: 1", b"event: alarm")
    assert AlarmTransitionView.model_validate_json(data.removeprefix(b"data: ")) == site.station.journal[0]
    wire.hang_up()
    await wire.task


async def test_alarms_that_are_not_durable_do_not_replace_each_other(site: Site) -> None:
    await alarms(site, 2)
    outbox = Outbox()
    for transition in site.station.journal:
        update = LiveUpdate("alarm", transition, sequence=None)
        await outbox.put(update, frame_of(update))
    waiting = await outbox.take()
    assert waiting.count(b"event: alarm") == 2
    assert b"id:" not in waiting


async def test_resuming_gets_every_alarm_once_in_order(site: Site) -> None:
    hub = hub_of(site)
    await alarms(site, 5)
    wire = Wire(hub.open("s", 2))
    await wire.until(lambda: len(wire.sequences) == 3)
    await alarms(site, 4)
    await wire.until(lambda: len(wire.sequences) == 7)
    assert wire.sequences == [3, 4, 5, 6, 7, 8, 9]
    wire.hang_up()
    await wire.task


async def test_a_client_that_goes_leaves_nothing_behind(site: Site) -> None:
    hub = hub_of(site)
    wires = [Wire(hub.open(f"s{k}", None)) for k in range(10)]
    for wire in wires:
        await wire.until(lambda wire=wire: len(wire.events) > 0)  # type: ignore[misc]
    assert (hub.streams, site.station.followers) == (10, 10)
    before = len(asyncio.all_tasks())
    for wire in wires:
        wire.hang_up()
        await wire.task
    assert (hub.streams, site.station.followers) == (0, 0)
    assert len(asyncio.all_tasks()) < before - 20


async def test_a_slow_client_is_cut_and_resumes_by_sequence(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    # A hub of its own for the slow one: a machine that stands still must not cut the other.
    hub, narrow = hub_of(site), hub_of(site, most_waiting_alarms=8)
    slow, quick = Wire(narrow.open("slow", None)), Wire(hub.open("quick", None))
    await slow.until(lambda: "appliance" in slow.events)
    await alarms(site, 1)
    await slow.until(lambda: slow.sequences == [1])
    slow.block()
    narrow.send_within_s = 0.3
    for k in range(2, 40):
        await alarms(site, 1)
        await quick.until(lambda k=k: quick.sequences[-1:] == [k])  # type: ignore[misc]
    await asyncio.wait_for(slow.task, PATIENCE_S)
    assert not slow.finished  # its connection is dropped, not ended in order
    assert "too slow" in caplog.text
    assert quick.sequences == list(range(1, 40))
    assert (hub.streams, narrow.streams) == (1, 0)
    narrow.send_within_s = hub.send_within_s
    again = Wire(narrow.open("slow", slow.sequences[-1]))  # 38 wait for it, and only 8 at a time in memory
    await again.until(lambda: bool(again.sequences) and again.sequences[-1] == 39)
    assert slow.sequences + again.sequences == list(range(1, 40))
    for wire in (quick, again):
        wire.hang_up()
        await wire.task


async def test_a_client_that_takes_nothing_is_cut_in_time_even_without_alarms(site: Site) -> None:
    hub = hub_of(site, send_within_s=0.05)
    wire = Wire(hub.open("s", None))
    wire.block()
    await asyncio.wait_for(wire.task, PATIENCE_S)
    assert (hub.streams, site.station.followers) == (0, 0)


async def test_a_blocked_client_costs_only_the_latest_states(site: Site) -> None:
    outbox, frames = Outbox(), Frames()
    for _ in range(500):
        for machine in site.station.machines():
            update = LiveUpdate("machine", site.station.machine(machine.asset_id))
            await outbox.put(update, frames.of(update))
        await outbox.put(LiveUpdate("machines", site.station.machines()), b"event: machines\n\n")
        site.clock.advance(1.0)
    taken = await outbox.take()
    assert taken.count(b"event: machine\n") == 3
    assert taken.count(b"event: machines\n") == 1
    newest = site.station.machine("fan-1").summary.updated_ms
    assert newest is not None
    assert f'"updated_ms":{newest - 1000.0}'.encode() in taken


async def test_alarms_go_out_before_states_and_wait_for_room(site: Site) -> None:
    await alarms(site, 3)
    outbox = Outbox(most_alarms=2)
    await outbox.put(LiveUpdate("appliance", site.station.appliance()), b"state")
    for step in site.station.journal[:2]:
        await outbox.put(LiveUpdate("alarm", step, step.sequence), b"alarm%d" % step.sequence)
    third = asyncio.create_task(outbox.put(LiveUpdate("alarm", site.station.journal[2], 3), b"alarm3"))
    await asyncio.sleep(0.01)
    assert not third.done()
    assert await outbox.take() == b"alarm1alarm2state"
    await asyncio.wait_for(third, PATIENCE_S)
    assert await outbox.take() == b"alarm3"


async def test_a_quiet_stream_beats_and_ends_with_its_session(site: Site) -> None:
    live = True
    hub = LiveHub(site.station, lambda _digest: live, heartbeat_s=0.01)
    wire = Wire(hub.open("s", None))
    await wire.until(lambda: wire.sent.count(b": heartbeat\n\n") >= 3)
    live = False
    await asyncio.wait_for(wire.task, PATIENCE_S)
    assert wire.finished


async def test_one_encoding_serves_all_streams(site: Site) -> None:
    frames = Frames(kept=2)
    update = LiveUpdate("machines", site.station.machines())
    assert frames.of(update) is frames.of(LiveUpdate("machines", update.data))
    assert frames.of(update) == frame_of(update)
    other = LiveUpdate("machine", site.station.machine("fan-1"))
    assert b"event: machine\n" in frames.of(other)
    frames.of(LiveUpdate("appliance", site.station.appliance()))
    assert len(frames._frames) == 2


async def test_a_station_that_fails_ends_the_stream_and_is_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_after: int | None) -> AsyncIterator[LiveUpdate]:
        yield LiveUpdate("machines", site.station.machines())
        raise RuntimeError("journal closed")

    site.station.updates = failing  # type: ignore[method-assign, assignment]
    wire = Wire(hub_of(site).open("s", None))
    await asyncio.wait_for(wire.task, PATIENCE_S)
    assert wire.finished
    assert "journal closed" in caplog.text


async def test_streams_are_bounded_per_session_and_in_all(site: Site) -> None:
    hub = hub_of(site, most_per_session=2, most_streams=3)
    hub.open("a", None)
    hub.open("a", None)
    with pytest.raises(Exception, match="Too many live pages"):
        hub.open("a", None)
    hub.open("b", None)
    with pytest.raises(Exception, match="Too many live pages"):
        hub.open("c", None)
    hub.close()
    with pytest.raises(Exception, match="stopping"):
        hub.open("d", None)


async def test_closing_ends_every_stream_in_order(site: Site) -> None:
    hub = hub_of(site)
    wires = [Wire(hub.open(f"s{k}", None)) for k in range(5)]
    for wire in wires:
        await wire.until(lambda wire=wire: len(wire.events) > 0)  # type: ignore[misc]
    hub.close()
    for wire in wires:
        await asyncio.wait_for(wire.task, PATIENCE_S)
        assert wire.finished
    assert site.station.followers == 0


async def test_a_stream_that_ends_before_it_began_is_a_whole_answer(site: Site) -> None:
    hub = hub_of(site)
    stream = hub.open("s", None)
    hub.close()
    kinds: list[str] = []

    async def send(message: Any) -> None:
        kinds.append(message["type"])

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    await asyncio.wait_for(stream({"type": "http"}, receive, send), PATIENCE_S)
    assert kinds[0] == "http.response.start"
    assert kinds.count("http.response.start") == 1
    assert kinds[-1] == "http.response.body"


async def test_signing_out_and_a_new_password_end_the_pages_streams(site: Site) -> None:
    app = site.app()
    async with site.client(app) as one, site.client(app) as two:
        await sign_in(one)
        await sign_in(two)
        streams = [asyncio.create_task(client.get("/api/live")) for client in (one, two)]
        await settle(lambda: site.station.followers == 2)
        assert (await one.delete("/api/session")).status_code == 204
        answer = await asyncio.wait_for(streams[0], PATIENCE_S)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-length" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        assert not streams[1].done()
        change = {"old_password": PASSWORD, "new_password": "purple trains at noon"}
        assert (await two.post("/api/session/password", json=change)).status_code == 200
        await asyncio.wait_for(streams[1], PATIENCE_S)


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("", {}, [1]),
        ("?after=0", {}, [1, 2, 3, 4]),
        ("?after=2", {}, [3, 4]),
        ("", {"Last-Event-ID": "1"}, [2, 3, 4]),
        ("?after=0", {"Last-Event-ID": "3"}, [4]),
    ],
)
async def test_the_browsers_own_resumption_counts_first(
    query: str, headers: dict[str, str], expected: list[int], site: Site
) -> None:
    app, sent = site.app(), bytearray()

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            sent.extend(message.get("body", b""))
            await send(message)

        await app(scope, receive, told)

    await alarms(site, 4 if expected != [1] else 0)
    async with site.client(watched) as client:  # type: ignore[arg-type]
        await sign_in(client)
        stream = asyncio.create_task(client.get(f"/api/live{query}", headers=headers))
        await settle(lambda: site.station.followers == 1)
        if expected == [1]:  # without a sequence: from now on
            await alarms(site, 1)
        await settle(lambda: sent.count(b"id: ") >= len(expected))
        app.state.live.close()
        answer = await asyncio.wait_for(stream, PATIENCE_S)
    assert [int(line[4:]) for line in answer.text.split("\n") if line.startswith("id: ")] == expected


@pytest.mark.parametrize("after", ["x", "-1", str(2**63), "1.5", "1e3", ""])
async def test_a_wrong_sequence_is_refused(after: str, signed_in: httpx.AsyncClient) -> None:
    problem_of(await signed_in.get(f"/api/live?after={after}"), 422)
    if after:
        problem_of(await signed_in.get("/api/live", headers={"Last-Event-ID": after}), 422)


def test_a_frame_is_one_data_line_whatever_the_text(site: Site) -> None:
    detail = site.station.machine("fan-1")
    summary = detail.summary.model_copy(
        update={"headline": "line\nbreak\r\nid: 9\n\nevent: alarm", "name": "ü\u2028"}
    )
    frame = frame_of(LiveUpdate("machine", detail.model_copy(update={"summary": summary})))
    event, data, *rest = frame.split(b"\n")
    assert rest == [b"", b""]
    assert event == b"event: machine"
    assert b"\r" not in frame
    assert MachineDetail.model_validate_json(data.removeprefix(b"data: ")).summary == summary
