"""Whether the way to the centre is good, and if not, what is wrong with it: in words, one finding per step.

Duty: address, TLS, clock, right to write, whether what was written can be read back, retention. Writes one
point (`stethos_check`), changes nothing else, and repairs nothing.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

import aiohttp

from appliance.errors import Fatal, Retryable
from appliance.journal.record import RecordClass
from appliance.reconcile.central import CentralReader, Target, name_of, text_of
from appliance.reconcile.errors import AnswerTooLarge, CentralRefused, Refusal
from appliance.sinks.line_protocol import line
from appliance.sinks.sink import EncodedRecord, OutboxBatch, Sink, SinkStopped, SinkUnavailable

MEASUREMENT = "stethos_check"
SECOND_NS = 1_000_000_000
CLOCK_WARNING_S, CLOCK_LIMIT_S = 5.0, 300.0
READ_TRIES = 4
_PART_S = {"w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(\d+)(w|d|h|ms|m|us|ns|s)")
_READ_REMEDY = {
    Refusal.ACCESS: "Give the token or user the right to read, too: without it arrival cannot be audited.",
    Refusal.MISSING: "Create the database or bucket; version 2: map it with `influx v1 dbrp create`.",
    Refusal.ADDRESS: "Let /query through to the InfluxDB: what stands before it may pass /write alone.",
    Refusal.QUESTION: "Check [central] version.",
}


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of the check. `remedy` "" where there is nothing to do."""

    subject: str
    verdict: Verdict
    text: str
    remedy: str = ""


class CentralCheck:
    """One check; `findings` runs it. `reader` and `sink` are closed by whoever made them."""

    def __init__(
        self,
        url: str,
        reader: CentralReader,
        sink: Sink,
        *,
        device_id: str,
        tls: ssl.SSLContext | None,
        audit_days: float,
        wall_ns: Callable[[], int],
        timeout_s: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`wall_ns`: this box's clock, UTC."""
        self._url = url.rstrip("/")
        self._reader, self._sink = reader, sink
        self._device_id = device_id
        self._tls = tls
        self._audit_days = audit_days
        self._wall_ns = wall_ns
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._sleep = sleep

    async def findings(self) -> list[Finding]:
        """Each step that could be taken, in order; after a step that forbids the others, no more."""
        reached, headers = await self._reach()
        if reached.verdict is Verdict.BAD:
            return [reached]
        clock = clock_finding(headers.get("Date"), self._wall_ns())
        at_ns = self._wall_ns() - self._wall_ns() % 1_000_000
        written = await self._write(at_ns)
        found = [reached, *([clock] if clock else []), written]
        if written.verdict is Verdict.BAD:
            return found
        found.append(await self._read_back(at_ns))
        if found[-1].verdict is Verdict.GOOD:
            found.append(await self._retention())
        return found

    async def _reach(self) -> tuple[Finding, Mapping[str, str]]:  # noqa: PLR0911 - one per cause
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.get(
                    f"{self._url}/ping",
                    ssl=True if self._tls is None else self._tls,
                    allow_redirects=False,
                ) as answer,
            ):
                version = answer.headers.get("X-Influxdb-Version", "")
                if version:
                    return Finding("address", Verdict.GOOD, f"InfluxDB {version} answers"), answer.headers
                if 300 <= answer.status < 400:
                    text = f"the server sends elsewhere ({answer.status} to {answer.headers.get('Location')})"
                    remedy = "Write its final address into [central] url."
                    return Finding("address", Verdict.BAD, text, remedy), answer.headers
                text = f"something answers ({answer.status}) that does not name itself an InfluxDB"
                return Finding("address", Verdict.WARNING, text, "Check [central] url."), answer.headers
        except aiohttp.ClientConnectorCertificateError as error:
            reason = str(error.certificate_error) or type(error.certificate_error).__name__
            text = f"the server's certificate is not trusted: {reason}"
            remedy = "Name the certificate of its authority in [central] ca_file; check the name in url."
            return Finding("TLS", Verdict.BAD, text, remedy), {}
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            text = f"no TLS connection: {error}"
            return Finding("TLS", Verdict.BAD, text, "Does the server speak https at this port?"), {}
        except aiohttp.ClientConnectorDNSError as error:
            text = f"the name cannot be resolved: {error.host}"
            return Finding("address", Verdict.BAD, text, "Check [central] url and the box's name server."), {}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            text = f"the server cannot be reached: {str(error) or type(error).__name__}"
            remedy = "Check [central] url, network, firewall, and whether the server runs."
            return Finding("address", Verdict.BAD, text, remedy), {}

    async def _write(self, at_ns: int) -> Finding:
        body = line(MEASUREMENT, {"device_id": self._device_id}, {"value": at_ns // 1_000_000}, at_ns) or b""
        batch = OutboxBatch.of_lines(RecordClass.TELEMETRY, [EncodedRecord(1, at_ns, body)])
        try:
            receipt = await self._sink.deliver(batch)
        except SinkStopped as error:
            return Finding("write", Verdict.BAD, error.reason, error.remedy)
        except (SinkUnavailable, Fatal) as error:
            return Finding("write", Verdict.BAD, str(error), "Check server and configuration.")
        if receipt.rejected:
            remedy = "A point of this moment is refused: compare both clocks and the retention."
            return Finding("write", Verdict.BAD, receipt.rejected[0].reason, remedy)
        return Finding("write", Verdict.GOOD, "a point was written")

    async def _read_back(self, at_ns: int) -> Finding:
        question = (
            f'SELECT "value" FROM {name_of(MEASUREMENT)} '  # noqa: S608 - quoted
            f'WHERE "device_id" = {text_of(self._device_id)} AND time = {at_ns}'
        )
        for _ in range(READ_TRIES):
            try:
                rows = await self._reader.rows(question)
            except CentralRefused as error:
                return Finding("read", Verdict.BAD, error.reason, _READ_REMEDY[error.refusal])
            except (Retryable, Fatal, AnswerTooLarge) as error:
                return Finding("read", Verdict.BAD, str(error), "Check server and configuration.")
            if [row["value"] for row in rows] == [at_ns // 1_000_000]:
                return Finding("read", Verdict.GOOD, "the point was read back as it was written")
            await self._sleep(1.0)
        return Finding(
            "read",
            Verdict.BAD,
            "the point was acknowledged, and is not there",
            "Questions may go to another retention policy or bucket than writes (version 2: check its DBRP "
            "mapping), or what stands before the server acknowledges by itself.",
        )

    async def _retention(self) -> Finding:
        target = self._reader.target
        try:
            rows = await self._reader.rows(f"SHOW RETENTION POLICIES ON {name_of(target.database)}")
        except (Retryable, CentralRefused, AnswerTooLarge) as error:
            text = f"how long the centre keeps points cannot be seen: {error}"
            return Finding("retention", Verdict.WARNING, text, "Nothing needs to be done for delivery.")
        return retention_finding(rows, target, self._audit_days)


def clock_finding(date: str | None, now_ns: int) -> Finding | None:
    """What the server's Date header says of this box's clock; None without a usable one."""
    try:
        server_s = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    ahead_s = now_ns / 1e9 - server_s - 0.5  # the header's seconds are cut off
    if abs(ahead_s) <= CLOCK_WARNING_S:
        return Finding("clock", Verdict.GOOD, "this box's clock and the server's agree within seconds")
    text = f"this box's clock is {abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the server's"
    verdict = Verdict.BAD if abs(ahead_s) > CLOCK_LIMIT_S else Verdict.WARNING
    return Finding("clock", verdict, text, "Find out which one is wrong, and give it a time server.")


def retention_finding(rows: Sequence[Mapping[str, object]], target: Target, audit_days: float) -> Finding:
    """Whether the centre keeps points as long as the audit looks back.

    `rows`: of SHOW RETENTION POLICIES (name, duration, default).
    """
    wanted = target.retention_policy
    used = [row for row in rows if (row.get("name") == wanted if wanted else row.get("default"))]
    if not used:
        text = f"there is no retention policy {wanted or 'marked as default'}"
        return Finding("retention", Verdict.WARNING, text, "Create it, or correct [central].")
    days = duration_days(str(used[0].get("duration", "0s")))
    if days == 0:
        return Finding("retention", Verdict.GOOD, "the centre keeps points for ever")
    text = f"the centre keeps points for {days:.4g} days"
    if days < audit_days:
        remedy = (
            f"What is older cannot be healed: set audit_days = {days:.4g} or less, or keep points longer."
        )
        return Finding("retention", Verdict.WARNING, text, remedy)
    return Finding("retention", Verdict.GOOD, text)


def duration_days(text: str) -> float:
    """InfluxDB's "168h0m0s" or "7d" in days; 0 for no limit."""
    return sum(int(number) * _PART_S.get(unit, 0.0) for number, unit in _DURATION.findall(text)) / 86_400.0
