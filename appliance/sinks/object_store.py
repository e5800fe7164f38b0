"""An object store over HTTPS: one object put there, and seen there, or why not.

Duty: one attempt, S3-compatible (signed) or a plain PUT, and what the answer means. A 200 is a claim: what
was put is asked for again (HEAD) and must have the same size, and the same MD5 where the store tells one.
Never waits to try again and keeps nothing: that is the courier's.

Verdicts: 2xx and seen: taken. 408, 429, 5xx, a clock that differs: later. 400, 411, 412, 413, 414, 422:
this object is refused. Everything else (401, 403, 404, redirects) stops the sink with nothing lost.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
import google_crc32c
from yarl import URL

from appliance.errors import Fatal
from appliance.sinks.capture_courier import CapturedObject, ObjectRefused
from appliance.sinks.influx import retry_after_s
from appliance.sinks.object_signature import SigningKey, canonical_path, signed_headers
from appliance.sinks.sink import SinkStopped, SinkUnavailable

LONGEST_ANSWER_BYTES = 64 * 1024
LONGEST_REASON = 300
CONNECT_S = 10.0
REFUSED = frozenset({400, 411, 412, 413, 414, 422})
LATER = frozenset({408, 409, 423, 425, 429})
SKEWED = ("RequestTimeTooSkewed", "RequestExpired")
TYPE = "application/vnd.stethos.capture"
_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where objects go: `base_url` with the bucket, if there is one; `where` for the operator."""

    base_url: str
    where: str

    def url(self, name: str) -> URL:
        """The address of an object, quoted as it is signed."""
        address = urlsplit(self.base_url)
        path = canonical_path(f"{address.path.rstrip('/')}/{name}")
        return URL(f"{address.scheme}://{address.netloc}{path}", encoded=True)


class ObjectStore:
    """Implements `capture_courier.Store`. `close` it."""

    def __init__(
        self,
        place: StorePlace,
        *,
        key: Callable[[], SigningKey] | None = None,
        token: Callable[[], str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 300.0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`key` and `token` are asked before every request: a rotated secret needs no restart. `now_s` is
        UTC."""
        self._place, self._key, self._token = place, key, token
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)
        self._now_s = now_s
        self._ahead_s = 0.0  # of the store's clock, learned when it refuses ours
        self._session: aiohttp.ClientSession | None = None
        self.requests = 0

    async def put(self, item: CapturedObject) -> None:
        """See `capture_courier.Store`."""
        md5, crc, sha256 = await asyncio.to_thread(
            _digests, item.content
        )  # tens of MB: not in the event loop
        headers = {
            "content-type": TYPE,
            "content-md5": base64.b64encode(md5.digest()).decode(),
            **({"x-amz-checksum-crc32c": base64.b64encode(crc).decode()} if self._key else {}),
            **{f"x-amz-meta-{name}": value for name, value in item.metadata.items()},
        }
        status, answer, said = await self._request("PUT", item.name, headers, item.content, sha256)
        if not 200 <= status < 300:
            raise self._verdict(status, answer, said)
        await self._see(item, md5.hexdigest())

    async def close(self) -> None:
        """End the connections; the next attempt opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _see(self, item: CapturedObject, md5: str) -> None:
        """Ask for the object. Raises SinkUnavailable where it is not there as it was put."""
        status, answer, _ = await self._request("HEAD", item.name, {}, b"", _NOTHING)
        if status in (405, 501) and self._key is None:
            return  # a plain server that only takes
        size = answer.get("content-length", "")
        tag = answer.get("etag", "").strip('"').lower()
        if status != 200 or size != str(len(item.content)):
            found = f"{size} bytes" if status == 200 else f"status {status}"
            raise SinkUnavailable(
                f"the store took {item.name} and has {found} instead of {len(item.content)} bytes"
            )
        if self._key is not None and re.fullmatch(r"[0-9a-f]{32}", tag) and tag != md5:
            if "aws:kms" in answer.get("x-amz-server-side-encryption", ""):
                return  # the tag is not an MD5 there
            raise SinkUnavailable(f"the store took {item.name} and has another content: MD5 {tag}, not {md5}")

    async def _request(
        self, method: str, name: str, headers: Mapping[str, str], body: bytes, sha256: str
    ) -> tuple[int, Mapping[str, str], str]:
        self.requests += 1
        url = self._place.url(name)
        try:
            sent = self._authorised(method, url, headers, sha256)
            async with self._open().request(
                method,
                url,
                data=body or None,
                headers=sent,
                allow_redirects=False,
                ssl=True if self._tls is None else self._tls,
            ) as response:
                said = await response.content.read(LONGEST_ANSWER_BYTES)
                answer = {key.lower(): value for key, value in response.headers.items()}
                return response.status, answer, _words(said)
        except Fatal:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SinkUnavailable(
                f"the object store cannot be reached: {str(error) or type(error).__name__}"
            ) from error
        except ValueError as error:  # never with the secret itself
            raise SinkStopped(
                f"the object store's secret cannot be sent ({type(error).__name__})",
                "Put a valid one into the configured file; no restart is needed.",
            ) from error

    def _authorised(self, method: str, url: URL, headers: Mapping[str, str], sha256: str) -> dict[str, str]:
        if self._key is not None:
            at_s = self._now_s() + self._ahead_s
            host = url.raw_authority
            return signed_headers(
                self._key(), method, host, url.path, headers=headers, body_sha256=sha256, time_s=at_s
            )
        token = "" if self._token is None else self._token()
        return {**headers, **({"authorization": f"Bearer {token}"} if token else {})}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _verdict(self, status: int, answer: Mapping[str, str], said: str) -> Exception:
        reason = f"{status}: {said[:LONGEST_REASON] or 'no reason given'}"
        sent_s = _date_s(answer.get("date"))
        if any(code in said for code in SKEWED) and sent_s is not None:
            self._ahead_s = sent_s - self._now_s()
            return SinkUnavailable(f"the store's clock is {self._ahead_s:+.0f} s from ours: {reason}")
        if status in LATER or status >= 500:
            wish_s = retry_after_s(answer.get("retry-after"), self._now_s() if sent_s is None else sent_s)
            return SinkUnavailable(f"the object store answers {reason}", wish_s)
        if status in REFUSED:
            return ObjectRefused(reason)
        return SinkStopped(f"the object store answers {reason}", _remedy(status))


def _digests(content: bytes) -> tuple[hashlib._Hash, bytes, str]:
    """MD5, CRC32C (as it is sent) and SHA-256 of an object."""
    crc = google_crc32c.value(content).to_bytes(4, "big")
    return hashlib.md5(content, usedforsecurity=False), crc, hashlib.sha256(content).hexdigest()


def _remedy(status: int) -> str:
    if status in (401, 403):
        return (
            "Put a valid key or token into the configured file, or let it write there; no restart is needed."
        )
    if status == 404:
        return "Create the bucket, or correct its name under [object_store]."
    if 300 <= status < 400:
        return "Write the store's final address (or the bucket's region) into [object_store]."
    return "Check [object_store]."


def _words(said: bytes) -> str:
    """An answer's text without its XML, in one line."""
    text = re.sub(r"<[^>]+>", " ", said.decode("utf-8", "replace"))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _date_s(header: str | None) -> float | None:
    try:
        return None if header is None else parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
