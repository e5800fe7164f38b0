"""InfluxDB 1.x and 2.x as sinks: one batch of line protocol, and what the server's answer means.

Duty: one request per (part of a) batch, and the verdict on its answer. Never waits to try again and keeps
nothing: that is the courier's. Version 1 is written with aiohttp, version 2 through influxdb-client's
asynchronous write, which has no retries of its own.

Verdicts: 2xx taken; 400 and 422 split by bisection until the refused lines stand alone; 413 halved, and
remembered; 408, 429 and 5xx: later; everything else, and the 5xx that will not go away by waiting, stops the
sink with nothing lost. A refusal that does not speak of lines is believed only of a server that takes a mere
comment: a proxy or a wrong address that answers 400 to everything must not empty the journal. Facts about
InfluxDB 1.6: a 400 "partial write" has stored the other lines; an unknown retention policy is a 500.
"""

from __future__ import annotations

import asyncio
import gzip
import math
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp

from appliance.journal.record import RecordKind
from appliance.sinks.points import WANTED
from appliance.sinks.sink import (
    EncodedRecord,
    OutboxBatch,
    Receipt,
    Refusal,
    SinkStopped,
    SinkUnavailable,
)

LONGEST_WAIT_S = 3600.0  # a Retry-After beyond it is not believed
LONGEST_ANSWER_BYTES = 64 * 1024
# 5xx that waiting does not heal, by the server's own words.
PERMANENT = ("retention policy not found", "database not found", "bucket not found")
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

    @property
    def short(self) -> str:
        """The reason, no longer than people read."""
        return self.reason[:LONGEST_REASON]


class Writer(Protocol):
    """Posts one gzip'd body of line protocol. Raises SinkUnavailable when no answer comes."""

    async def write(self, body: bytes) -> Answer: ...

    async def close(self) -> None: ...


class InfluxSink:
    """A Sink over a Writer."""

    wants: frozenset[RecordKind] = WANTED

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._most_bytes = 1 << 30  # packed; learned from 413
        self._believed = False  # that a refusal of this delivery is of the record alone
        self.requests = 0

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        """See Sink."""
        self._believed = False
        refused = await self._deliver(batch)
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

    async def _deliver(self, batch: OutboxBatch) -> list[Refusal]:
        if batch.count > 1 and len(batch.body) > self._most_bytes:
            return await self._in_halves(batch)
        answer = await self._write(batch.body)
        status = answer.status
        if 200 <= status < 300:
            return []
        if status == 413 and batch.count > 1:
            self._most_bytes = len(batch.body) - 1
            return await self._in_halves(batch)
        if status in (400, 413, 422):
            dropped = _DROPPED.search(answer.reason)
            if batch.count == 1 or (dropped and int(dropped[1]) == batch.count):
                await self._believe(answer)
                return [_refusal(line, answer) for line in batch.lines]
            return await self._in_halves(batch)
        permanent = next((words for words in PERMANENT if words in answer.reason.lower()), None)
        if status in (408, 429) or (status >= 500 and permanent is None):
            away = status in GATEWAY_ALONE and answer.retry_after_s is None
            raise SinkUnavailable(
                f"the centre answers {status}: {answer.short}", answer.retry_after_s, away=away
            )
        raise SinkStopped(f"the centre answers {status}: {answer.short}", _remedy(status))

    async def _in_halves(self, batch: OutboxBatch) -> list[Refusal]:
        first, second = batch.halves()
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
        return await self._writer.write(body)


class Influx1Writer:
    """`POST /write` of InfluxDB 1.x."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        retention_policy: str = "",
        credentials: Callable[[], tuple[str, str]] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`credentials` is asked before every request: a rotated password needs no restart."""
        self._url = url.rstrip("/") + "/write"
        self._query = {"db": database, "precision": "ns"}
        if retention_policy:
            self._query["rp"] = retention_policy
        self._credentials = credentials
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def write(self, body: bytes) -> Answer:
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            if self._credentials is not None:
                headers["Authorization"] = aiohttp.encode_basic_auth(*self._credentials())
            async with self._session.post(
                self._url,
                params=self._query,
                data=body,
                headers=headers,
                ssl=True if self._tls is None else self._tls,
                allow_redirects=False,
            ) as response:
                said = await response.content.read(LONGEST_ANSWER_BYTES)
                return _answer(response.status, said, response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _no_answer(error) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class Influx2Writer:
    """`POST /api/v2/write` of InfluxDB 2.x, through influxdb-client."""

    def __init__(
        self,
        url: str,
        org: str,
        bucket: str,
        *,
        token: Callable[[], str],
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`token` is asked before every request: a rotated token needs no restart."""
        self._url, self._org, self._bucket, self._token = url, org, bucket, token
        self._tls, self._timeout_s = tls, timeout_s
        self._client: object | None = None
        self._token_used = ""

    async def write(self, body: bytes) -> Answer:
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
        from influxdb_client.rest import ApiException

        token = self._token()
        if self._client is None or token != self._token_used:
            await self.close()
            self._client = InfluxDBClientAsync(
                self._url,
                token,
                self._org,
                timeout=round(self._timeout_s * 1000),
                allow_redirects=False,
                ssl_context=self._tls,
                # The body comes packed; the client's own packing takes ten times as long.
                client_session_kwargs={"headers": {"Content-Encoding": "gzip"}},
            )
            self._token_used = token
        try:
            await self._client.write_api().write(self._bucket, self._org, body, "ns")  # type: ignore[attr-defined]
        except ApiException as error:
            said = (
                error.body
                if isinstance(error.body, bytes)
                else str(error.body or error.reason or "").encode()
            )
            return _answer(int(error.status or 0), said[:LONGEST_ANSWER_BYTES], error.headers or {})
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _no_answer(error) from error
        return Answer(204, "")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()  # type: ignore[attr-defined]
            self._client = None


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Seconds that a Retry-After header asks for (a number, or an HTTP date); None without a usable one.

    `now_s` is the server's time, where it states it: this box's clock may not be set.
    """
    if not header:
        return None
    try:
        wish_s = float(header)
    except ValueError:
        when_s = _date_s(header)
        if when_s is None:
            return None
        wish_s = when_s - now_s
    return None if math.isnan(wish_s) else min(max(wish_s, 0.0), LONGEST_WAIT_S)


def _date_s(header: str | None) -> float | None:
    try:
        return None if header is None else parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _answer(status: int, said: bytes, headers: Mapping[str, str]) -> Answer:
    reason = " ".join(said.decode("utf-8", "replace").split())
    sent_s = _date_s(headers.get("Date"))
    wish_s = retry_after_s(headers.get("Retry-After"), time.time() if sent_s is None else sent_s)
    return Answer(status, reason or "no reason given", wish_s)


def _refusal(line: EncodedRecord, answer: Answer) -> Refusal:
    return Refusal(line.sequence, f"{answer.status}: {answer.short}")


def _no_answer(error: Exception) -> SinkUnavailable | SinkStopped:
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
    return "Check [central] url and version."
