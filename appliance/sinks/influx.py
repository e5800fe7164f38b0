"""InfluxDB 1.x, 2.x and 3 Core as sinks: one batch of line protocol, and what the server's answer means.

Duty: one request per (part of a) batch, and the verdict on its answer. Never waits to try again and keeps
nothing: that is the courier's. Versions 1 and 3 are written with aiohttp, version 2 through influxdb-client's
asynchronous write, which has no retries of its own. What differs stands in `influx_dialect`.

Verdicts: 2xx taken; what speaks of lines is split by bisection until the refused ones stand alone, or taken
by number where the answer names them all; 413 halved, and remembered (`body_bound`); 408, 429 and 5xx: later;
all else, and the 5xx that will not go away by waiting, stops the sink with nothing lost. A refusal that does
not speak of lines is believed only of a server that takes a mere comment: a proxy or a wrong address that
answers 400 to everything must not empty the journal. A 400 "partial write" of version 1 has stored the rest.
"""

from __future__ import annotations

import asyncio
import gzip
import math
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp

from appliance.journal.record import RecordClass, RecordKind
from appliance.sinks.body_bound import BodyBound
from appliance.sinks.influx_dialect import DIALECTS, Dialect
from appliance.sinks.points_schema import WANTED
from appliance.sinks.sink import (
    EncodedRecord,
    OutboxBatch,
    Receipt,
    Refusal,
    SinkStopped,
    SinkUnavailable,
)
from appliance.sinks.uplink import Uplink

LONGEST_WAIT_S = 3600.0  # a Retry-After beyond it is not believed
LONGEST_ANSWER_BYTES = 64 * 1024
CLOCKS_DIFFER_S = 60.0
_PER_LINE = ("partial write", "unable to parse", "points beyond retention", "field type conflict")
# At the end of what is said, where the server's own words stand: a refused line is quoted before them.
_DROPPED = re.compile(r"dropped=(\d+)[\"}\s]*$")
LONGEST_REASON = 300  # of a refusal, as it is kept
GATEWAY_ALONE = (502, 504)  # what stands before the server answers that it cannot reach it
PROBE_WAIT_S = 1.2
PROBE = gzip.compress(b"# is the way open?\n", mtime=0)  # a comment: nothing to refuse


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: status, its reason in words, its wish when to come again (s)."""

    status: int
    reason: str
    retry_after_s: float | None = None
    date_s: float | None = None  # the server's clock, seconds since 1970

    @property
    def short(self) -> str:
        """The reason, no longer than people read."""
        return self.reason[:LONGEST_REASON]


class Writer(Protocol):
    """Posts one gzip'd body of line protocol. Raises SinkUnavailable when no answer comes."""

    @property
    def dialect(self) -> Dialect: ...

    async def write(self, body: bytes) -> Answer: ...

    async def close(self) -> None: ...


class InfluxSink:
    """A Sink over a Writer."""

    wants: frozenset[RecordKind] = WANTED

    def __init__(
        self,
        writer: Writer,
        wall_s: Callable[[], float] = time.time,
        uplink: Uplink | None = None,
    ) -> None:
        """`wall_s` is this box's clock, to be held against the server's; `uplink` counts what is sent."""
        self._writer = writer
        self._wall_s = wall_s
        self._bound = BodyBound(writer.dialect.most_packed_bytes or 1 << 30)
        self.ahead_s: float | None = None  # by which the server's clock is ahead of this box's
        self._uplink = uplink or Uplink()
        self._class = RecordClass.TELEMETRY  # of this delivery
        self._believed = False  # that a refusal of this delivery is of the record alone
        self.requests = 0

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        """See Sink."""
        self._believed, self._class = False, batch.record_class
        known = replace(self._bound)
        try:
            refused = await self._deliver(batch)
        except SinkStopped:
            self._bound = known  # who refuses everything said nothing of sizes
            raise
        return Receipt(batch.count - len(refused), tuple(refused))

    async def answers(self) -> bool:
        """Whether anybody is there: a server that says anything to a mere comment within a moment."""
        try:
            async with asyncio.timeout(PROBE_WAIT_S):
                return (await self._write(PROBE)).status not in GATEWAY_ALONE
        except (SinkUnavailable, SinkStopped, TimeoutError):
            return False

    async def close(self) -> None:
        await self._writer.close()

    def clock_text(self) -> str:
        """Where the server's clock differs much, a hint for a person; never what time is taken from."""
        if self.ahead_s is None or abs(self.ahead_s) < CLOCKS_DIFFER_S:
            return ""
        word = "ahead of" if self.ahead_s > 0 else "behind"
        return f"the centre's clock is {abs(self.ahead_s):,.0f} s {word} this box's"

    async def _deliver(self, batch: OutboxBatch) -> list[Refusal]:
        if batch.count > 1 and len(batch.body) > self._bound.most_bytes:
            return await self._in_halves(batch)
        answer = await self._write(batch.body)
        status = answer.status
        if 200 <= status < 300:
            self._bound.taken(len(batch.body))
            return []
        if status == 413 and batch.count > 1:
            self._bound.too_large(len(batch.body))
            return await self._in_halves(batch)
        dialect = self._writer.dialect
        if status in dialect.line_statuses or status == 413:
            named = dialect.refused_lines(answer.reason)
            if named is not None and max(named) <= batch.count and min(named) > 0:
                return [
                    _refusal(batch.lines[number - 1], replace(answer, reason=named[number] or answer.reason))
                    for number in sorted(named)
                ]
            dropped = _DROPPED.search(answer.reason)
            if batch.count == 1 or (dropped and int(dropped[1]) == batch.count):
                await self._believe(answer)
                return [_refusal(line, answer) for line in batch.lines]
            return await self._in_halves(batch)
        permanent = next((words for words in dialect.stop_words if words in answer.reason.lower()), None)
        if status in (408, 429) or (status >= 500 and permanent is None):
            away = status in GATEWAY_ALONE and answer.retry_after_s is None
            raise SinkUnavailable(
                f"the centre answers {status}: {answer.short}", answer.retry_after_s, away=away
            )
        raise SinkStopped(f"the centre answers {status}: {answer.short}", _remedy(status))

    async def _in_halves(self, batch: OutboxBatch) -> list[Refusal]:
        first, second = await asyncio.to_thread(batch.halves)  # packed anew: megabytes of them
        return [*await self._deliver(first), *await self._deliver(second)]

    async def _believe(self, answer: Answer) -> None:
        """See that a refusal is of the record, not of everything. Raises SinkStopped, SinkUnavailable."""
        if self._believed or any(words in answer.reason for words in _PER_LINE):
            return
        open_way = await self._write(PROBE)
        if open_way.status in (400, 413, 422):
            raise SinkStopped(
                f"the centre refuses every record: {answer.status}: {answer.short}",
                "Check the url and what stands before it.",
            )
        if not 200 <= open_way.status < 300:
            raise SinkUnavailable(f"the centre answers {open_way.status}: {open_way.short}")
        self._believed = True

    async def _write(self, body: bytes) -> Answer:
        self.requests += 1
        self._uplink.sent(self._class, len(body))  # before: also what nobody answers has crossed the line
        answer = await self._writer.write(body)
        if answer.date_s is not None:
            self.ahead_s = answer.date_s - self._wall_s()
        return answer


class PostWriter:
    """One POST per body, with aiohttp: for versions 1 and 3."""

    def __init__(
        self,
        dialect: Dialect,
        url: str,
        query: Mapping[str, str],
        *,
        authorization: Callable[[], str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`authorization` gives the header before every request: a rotated secret needs no restart."""
        self._dialect = dialect
        self._url = url.rstrip("/") + dialect.write_path
        self._query = {**query, "precision": dialect.precision}
        self._authorization = authorization
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    async def write(self, body: bytes) -> Answer:
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            if self._authorization is not None:
                headers["Authorization"] = self._authorization()
            async with self._session.post(
                self._url,
                params=self._query,
                data=body,
                headers=headers,
                ssl=True if self._tls is None else self._tls,
                allow_redirects=False,
            ) as response:
                said = await response.content.read(LONGEST_ANSWER_BYTES)
                return answer_of(response.status, said, response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise no_answer(error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class Influx1Writer(PostWriter):
    """`POST /write` of InfluxDB 1.x: a user with password, a JWT of its shared secret, or nobody."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        retention_policy: str = "",
        credentials: Callable[[], tuple[str, str]] | None = None,
        token: Callable[[], str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`credentials` or `token` is asked before every request: a rotated one needs no restart."""
        dialect = DIALECTS[1]
        authorization: Callable[[], str] | None = None
        if credentials is not None:
            authorization = lambda: aiohttp.encode_basic_auth(*credentials())  # noqa: E731
        elif token is not None:
            authorization = lambda: dialect.authorization(token())  # noqa: E731
        query = {"db": database, **({"rp": retention_policy} if retention_policy else {})}
        super().__init__(dialect, url, query, authorization=authorization, tls=tls, timeout_s=timeout_s)


class Influx3Writer(PostWriter):
    """`POST /api/v3/write_lp` of InfluxDB 3 Core: a token, or nobody. A 204 follows its log."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        token: Callable[[], str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`token` is asked before every request: a rotated one needs no restart."""
        dialect = DIALECTS[3]
        query = {"db": database, "accept_partial": "true", "no_sync": "false"}
        authorization = None if token is None else lambda: dialect.authorization(token())
        super().__init__(dialect, url, query, authorization=authorization, tls=tls, timeout_s=timeout_s)


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Seconds that a Retry-After header asks for (a number, or an HTTP date); None without a usable one.

    `now_s` is the server's time, where it states it: this box's clock may not be set.
    """
    if not header:
        return None
    try:
        wish_s = float(header)
    except ValueError:
        when_s = date_s_of(header)
        if when_s is None:
            return None
        wish_s = when_s - now_s
    return None if math.isnan(wish_s) else min(max(wish_s, 0.0), LONGEST_WAIT_S)


def date_s_of(header: str | None) -> float | None:
    try:
        return None if header is None else parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def answer_of(status: int, said: bytes, headers: Mapping[str, str]) -> Answer:
    reason = " ".join(said.decode("utf-8", "replace").split())
    sent_s = date_s_of(headers.get("Date"))
    wish_s = retry_after_s(headers.get("Retry-After"), time.time() if sent_s is None else sent_s)
    return Answer(status, reason or "no reason given", wish_s, sent_s)


def _refusal(line: EncodedRecord, answer: Answer) -> Refusal:
    return Refusal(line.sequence, f"{answer.status}: {answer.short}")


def no_answer(error: Exception) -> SinkUnavailable | SinkStopped:
    words = str(error) or type(error).__name__
    if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError):
        # aiohttp says so of a password or token that no header can carry; never with the secret itself.
        return SinkStopped(
            f"password or token cannot be sent ({type(error).__name__})",
            "Put a valid one into the configured file; no restart is needed.",
        )
    return SinkUnavailable(f"the centre cannot be reached: {words}", away=True)


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "Put a valid token or password into the configured file; no restart is needed."
    if status == 404 or status >= 500:
        return "Create the database, bucket or retention policy, or correct its name under [central]."
    if 300 <= status < 400:
        return "Write the server's final address into [central] url."
    if status == 422:
        return "Raise that bound at the server, or give this appliance a database of its own."
    return "Check [central] url and version."
