"""Live updates as server-sent events: what the page shows without asking.

Duty: one stream per open page. Alarm transitions are never skipped on a stream: their `id:` is the journal's
sequence, a client that takes nothing for too long is cut, and on its return (`Last-Event-ID`) the journal
gives it what it missed. All else is a latest state: a newer one replaces an older one that was not sent yet.
Streams end with their session, and all at once before the server shuts down.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from web.errors import ProblemError, TooManyRequestsError
from web.schemas import MachineDetail, MachineSummary
from web.sessions import Session
from web.station_view import LiveUpdate, StationView

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
SEND_WITHIN_S = 20.0
LAST_SEND_WITHIN_S = 1.0
MOST_WAITING_ALARMS = 256
MOST_PER_SESSION = 8
MOST_STREAMS = 64
RECONNECT_MS = 2000

_machine_list: TypeAdapter[list[MachineSummary]] = TypeAdapter(list[MachineSummary])


def frame_of(update: LiveUpdate) -> bytes:
    """One event as it goes over the wire (WHATWG HTML 9.2); JSON has no line breaks, so one data line."""
    data = update.data
    body = data.model_dump_json().encode() if isinstance(data, BaseModel) else _machine_list.dump_json(data)
    identity = b"" if update.sequence is None else b"id: %d\n" % update.sequence
    return b"%sevent: %s\ndata: %s\n\n" % (identity, update.event.encode(), body)


class Frames:
    """Encodes an update once for all streams that carry it."""

    def __init__(self, kept: int = 64) -> None:
        self._kept = kept
        self._frames: OrderedDict[int, tuple[LiveUpdate, Any, bytes]] = OrderedDict()

    def of(self, update: LiveUpdate) -> bytes:
        key = id(update.data)
        found = self._frames.get(key)
        if found is not None and found[1] is update.data and found[0] == update:
            return found[2]
        frame = frame_of(update)
        self._frames[key] = (update, update.data, frame)  # kept, so that its id() stays taken
        self._frames.move_to_end(key)
        while len(self._frames) > self._kept:
            self._frames.popitem(last=False)
        return frame


class Outbox:
    """What one client has still to get: alarms in order and bounded, of all else the latest."""

    def __init__(self, most_alarms: int = MOST_WAITING_ALARMS) -> None:
        self._most_alarms = most_alarms
        self._alarms: deque[bytes] = deque()
        self._latest: OrderedDict[str, bytes] = OrderedDict()
        self._something = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, update: LiveUpdate, frame: bytes) -> None:
        """Adds an update; an alarm waits for room, so that a long backlog after an absence is no overflow."""
        if update.sequence is None and update.event != "alarm":
            data = update.data
            subject = data.summary.asset_id if isinstance(data, MachineDetail) else ""
            self._latest[f"{update.event} {subject}"] = frame
        else:
            while len(self._alarms) >= self._most_alarms:
                self._room.clear()
                await self._room.wait()
            self._alarms.append(frame)
        self._something.set()

    async def take(self) -> bytes:
        """All that waits, alarms first; waits until there is something."""
        await self._something.wait()
        self._something.clear()
        waiting = b"".join((*self._alarms, *self._latest.values()))
        self._alarms.clear()
        self._latest.clear()
        self._room.set()
        return waiting


class LiveStream(Response):
    """One open page. Ends when its client goes, is too slow, its session ends or the hub closes."""

    def __init__(self, hub: LiveHub, session_digest: str, after_sequence: int | None) -> None:
        super().__init__(media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.session_digest = session_digest
        self.ended = asyncio.Event()
        self._hub = hub
        self._begun = False
        self._after_sequence = after_sequence
        self._outbox = Outbox(hub.most_waiting_alarms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            tasks: list[asyncio.Task[Any]] = [
                asyncio.create_task(self._write(send)),
                asyncio.create_task(self._pump()),
                asyncio.create_task(_gone(receive)),
                asyncio.create_task(self.ended.wait()),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
            cut = self._say_why(results)
        finally:
            self._hub.forget(self)
        if not cut:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SEND_WITHIN_S):
                    await self._begin(send)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _say_why(self, results: list[Any]) -> bool:
        """Logs what ended the stream; True when the client takes nothing and its connection is dropped."""
        cut = False
        for result in results:
            if isinstance(result, TimeoutError):
                log.warning("live stream cut: client too slow")
                cut = True
            elif isinstance(result, Exception) and not isinstance(result, OSError):
                log.error("live stream failed", exc_info=result)
        return cut

    async def _pump(self) -> None:
        async with aclosing(cast(Any, self._hub.station.updates(self._after_sequence))) as updates:
            async for update in updates:
                await self._outbox.put(update, self._hub.frames.of(update))

    async def _begin(self, send: Send) -> None:
        """Sends the head, unless it is out: a stream may end before its writer had a turn."""
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def _write(self, send: Send) -> None:
        async with asyncio.timeout(self._hub.send_within_s):
            await self._begin(send)
        chunk = b"retry: %d\n\n" % RECONNECT_MS
        while True:
            async with asyncio.timeout(self._hub.send_within_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            try:
                async with asyncio.timeout(self._hub.heartbeat_s):
                    chunk = await self._outbox.take()
            except TimeoutError:
                chunk = b": heartbeat\n\n"
            if not self._hub.session_is_live(self.session_digest):
                return


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed its side."""
    while (await receive())["type"] != "http.disconnect":
        pass


class LiveHub:
    """All open streams, their bounds, and what ends them."""

    def __init__(
        self,
        station: StationView,
        session_is_live: Callable[[str], bool],
        *,
        heartbeat_s: float = HEARTBEAT_S,
        send_within_s: float = SEND_WITHIN_S,
        most_waiting_alarms: int = MOST_WAITING_ALARMS,
        most_per_session: int = MOST_PER_SESSION,
        most_streams: int = MOST_STREAMS,
    ) -> None:
        self.station = station
        self.session_is_live = session_is_live
        self.heartbeat_s = heartbeat_s
        self.send_within_s = send_within_s
        self.most_waiting_alarms = most_waiting_alarms
        self.frames = Frames()
        self._most_per_session = most_per_session
        self._most_streams = most_streams
        self._streams: set[LiveStream] = set()
        self._closed = False

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    def open(self, session_digest: str, after_sequence: int | None) -> LiveStream:
        """A response that streams. Raises ProblemError when there are too many, or while shutting down."""
        if self._closed:
            raise ProblemError(503, "Shutting down", "The appliance is stopping.", "Try again in a while.")
        mine = sum(stream.session_digest == session_digest for stream in self._streams)
        if mine >= self._most_per_session or len(self._streams) >= self._most_streams:
            raise TooManyRequestsError("Too many live pages are open: close some.", RECONNECT_MS / 1000)
        stream = LiveStream(self, session_digest, after_sequence)
        self._streams.add(stream)
        return stream

    def forget(self, stream: LiveStream) -> None:
        self._streams.discard(stream)

    def end_sessions(self, sessions: list[Session]) -> None:
        """Ends the streams of sessions that have ended."""
        digests = {session.digest for session in sessions}
        for stream in self._streams:
            if stream.session_digest in digests:
                stream.ended.set()

    def close(self) -> None:
        """Ends every stream and refuses new ones; before the server waits for its connections."""
        self._closed = True
        for stream in self._streams:
            stream.ended.set()
