"""Questions in InfluxQL to the central InfluxDB: `/query`, which versions 1, 2 and 3 Core all serve.

Duty: one question, one checked answer: every error becomes one of this package's, also those that come with
HTTP 200, and what may be held in memory is bounded. An answer that the server cut short is none: what is not
told must not be taken for what is not there. Waits for no second try, writes nothing, knows no measurement.

Facts: version 1 answers 200 with `error` inside for a bad function or a missing database; version 2 reaches a
bucket `b` as database b, a bucket `d/r` as database d with retention policy r; 3 Core refuses a question
that would open more than its limit of files: a shorter time window heals that. Times are always ns.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from appliance.errors import Fatal
from appliance.reconcile.errors import AnswerTooLarge, CentralRefused, CentralUnavailable, Refusal

MOST_ANSWER_BYTES = 16 * 1024 * 1024  # unpacked
LONGEST_REASON = 300
_ACCESS = re.compile(
    "unauthori[sz]ed|not authori[sz]ed|authorization failed|permission denied|forbidden", re.I
)
_MISSING = re.compile(
    r"(database|bucket|retention policy|dbrp|namespace)[^.]{0,200}(not found|does not exist|unknown)"
    "|no dbrp mapping", re.I
)  # fmt: skip
_TOO_MUCH = re.compile("file limit|parquet files|max-select|max-row-limit", re.I)
_SHORTER = "ask for a shorter time"

Value = float | int | bool | str | None
Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class SeriesAnswer:
    """One series of an answer: measurement, the tags that were grouped by, and its rows.

    A tag that the series does not have is "". `time` is UTC ns.
    """

    name: str
    tags: Mapping[str, str]
    columns: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]

    def rows(self) -> Iterator[Row]:
        """Each row by column."""
        for row in self.values:
            yield dict(zip(self.columns, row, strict=True))


@dataclass(frozen=True, slots=True)
class Target:
    """Where the records are: database, and retention policy ("" takes the default)."""

    database: str
    retention_policy: str = ""

    @classmethod
    def of_bucket(cls, bucket: str) -> Target:
        """A bucket of version 2 as its `/query` names it."""
        database, _, policy = bucket.partition("/")
        return cls(database, policy)


class CentralReader:
    """Asks one server. `close` it. One question at a time suits it best; several are allowed."""

    def __init__(
        self,
        url: str,
        target: Target,
        *,
        authorization: Callable[[], str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> None:
        """`authorization` gives the header ("Token ...", "Basic ..."; "" sends none) before every question: a
        rotated secret needs no restart. `most_bytes` bounds an answer, unpacked."""
        self.target = target
        self._url = url.rstrip("/") + "/query"
        self._authorization = authorization
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None
        self.questions = 0  # asked so far
        self.answer_bytes = 0  # heard so far, unpacked

    async def ask(self, question: str) -> list[SeriesAnswer]:
        """The series of one SELECT or SHOW.

        Raises CentralUnavailable, CentralRefused, AnswerTooLarge; Fatal where a secret cannot be read.
        """
        params = {"db": self.target.database, "epoch": "ns"}
        if self.target.retention_policy:
            params["rp"] = self.target.retention_policy
        status, headers, said = await self._post(params, question)
        self.questions += 1
        self.answer_bytes += len(said)
        if status >= 300:
            raise _of_status(status, _words(said), headers)
        return _series(said)

    async def rows(self, question: str) -> list[Row]:
        """The same as rows of all series, the tags that were grouped by among them."""
        return [{**series.tags, **row} for series in await self.ask(question) for row in series.rows()]

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, params: Mapping[str, str], question: str) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            secret = "" if self._authorization is None else self._authorization()
            async with self._session.post(
                self._url,
                params=params,
                data={"q": question},  # a form: a question may be longer than an address can be
                headers={"Authorization": secret} if secret else {},
                ssl=True if self._tls is None else self._tls,
                allow_redirects=False,
            ) as response:
                said = bytearray()
                async for part in response.content.iter_any():
                    said += part
                    if len(said) > self._most_bytes:
                        raise AnswerTooLarge(f"the answer exceeds {self._most_bytes:,} bytes: {_SHORTER}")
                return response.status, response.headers, bytes(said)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CentralUnavailable(
                f"the centre cannot be reached: {str(error) or type(error).__name__}"
            ) from error
        except ValueError as error:  # of a password or token that no header can carry; never told itself
            raise Fatal(
                f"password or token cannot be sent ({type(error).__name__}): put a valid one into the "
                "configured file"
            ) from error


def name_of(text: str) -> str:
    """A measurement, field or tag key as InfluxQL writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def text_of(text: str) -> str:
    """A tag value or text as InfluxQL writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _series(said: bytes) -> list[SeriesAnswer]:
    try:
        results = orjson.loads(said)["results"]
        _check(results)
        return [
            SeriesAnswer(
                str(series.get("name", "")),
                {str(key): str(value) for key, value in (series.get("tags") or {}).items()},
                tuple(series["columns"]),
                tuple(tuple(row) for row in series.get("values") or ()),
            )
            for result in results
            for series in result.get("series") or ()
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CentralRefused(
            Refusal.ADDRESS, f"what answers does not speak as an InfluxDB does: {_words(said)}"
        ) from error


def _check(results: list[dict[str, Any]]) -> None:
    for result in results:
        if result.get("error"):
            raise _of_words(str(result["error"])[:LONGEST_REASON])
        if result.get("partial") or any(series.get("partial") for series in result.get("series") or ()):
            raise AnswerTooLarge(f"the server left some of the answer out: {_SHORTER}")


def _of_status(status: int, words: str, headers: Mapping[str, str]) -> Exception:
    told = f"the centre answers {status}: {words}"
    if status in (401, 403):
        return CentralRefused(Refusal.ACCESS, told)
    known = _of_words(words)
    if isinstance(known, AnswerTooLarge) or known.refusal is not Refusal.QUESTION:
        return known
    if status in (408, 429) or status >= 500:
        wish = headers.get("Retry-After", "")
        return CentralUnavailable(told, float(wish) if wish.isdecimal() and len(wish) < 6 else None)
    return CentralRefused(Refusal.QUESTION if status in (400, 422) else Refusal.ADDRESS, told)


def _of_words(words: str) -> AnswerTooLarge | CentralRefused:
    """What the server's own words mean."""
    if _TOO_MUCH.search(words):
        return AnswerTooLarge(f"{words}: {_SHORTER}")
    told = f"the centre says: {words}"
    if _MISSING.search(words):
        return CentralRefused(Refusal.MISSING, told)
    return CentralRefused(Refusal.ACCESS if _ACCESS.search(words) else Refusal.QUESTION, told)


def _words(said: bytes) -> str:
    """What the server said, as people read it."""
    return " ".join(said[:4096].decode("utf-8", "replace").split())[:LONGEST_REASON] or "no reason given"
