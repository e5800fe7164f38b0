"""One attempt to hand a webhook to its receiver over HTTPS, and what came of it in words.

Duty: read the secrets, resolve the name once and connect to an address that was checked, sign, post, judge
the answer. Never follows a redirect or goes through a proxy, bounds time and what it reads. When to try again
is `webhook_queue`'s duty.
"""

from __future__ import annotations

import asyncio
import email.utils
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import aiohttp
import psutil
from aiohttp.abc import AbstractResolver, ResolveResult

from appliance.errors import Fatal, Rejected
from appliance.sinks.webhook_message import Message
from appliance.sinks.webhook_queue import Outcome
from appliance.sinks.webhook_signature import headers, parse_secrets
from appliance.sinks.webhook_targets import Target, check_address, inner_address

CONNECT_S = 5.0
TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 65_536
MAX_SECRET_FILE_BYTES = 4_096
DETAIL_SIGNS = 200
Resolve = Callable[[str, int, int], Awaitable[list[tuple[int, str]]]]  # host, port, family: (family, address)

_REMEDIES = {
    400: "it does not understand the message, or refuses its signature: compare the secret and both clocks",
    401: "it refuses the signature: compare the secret on both sides, and both clocks",
    403: "it refuses the sender: compare the secret on both sides, or its list of allowed senders",
    404: "there is no receiver at this path: compare the URL",
    405: "nothing at this path takes a POST: compare the URL",
    410: "the receiver says that it is gone for good: remove this webhook, or ask for the new URL",
    413: "it takes smaller messages only; they are at most 16 KiB: raise its limit",
    429: "it asks to be sent less for a while",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one receiver is, and how it is spoken to."""

    target: Target
    secret_file: Path
    ca_file: Path | None = None  # certificates of a plant's own authority, beside the system's
    timeout_s: float = TIMEOUT_S


class WebhookPost:
    """Posts messages to one endpoint. `close` it."""

    def __init__(self, endpoint: Endpoint, resolve: Resolve | None = None) -> None:
        """Raises Fatal if the certificates of `ca_file` cannot be used."""
        self.endpoint = endpoint
        self._resolver = _CheckedResolver(endpoint.target, resolve or _resolve)
        self._tls = _tls(endpoint)
        self._session: aiohttp.ClientSession | None = None

    async def attempt(self, message: Message, time_s: int) -> Outcome:
        """Post a message, signed for `time_s` (UTC, s since 1970). Never raises but for cancellation."""
        target = self.endpoint.target
        try:
            keys = read_secrets(self.endpoint.secret_file)
            check_literal(target)
            async with self._open().post(
                target.url,
                data=message.body,
                headers={
                    "content-type": "application/json",
                    **headers(keys, message.message_id, time_s, message.body),
                },
                allow_redirects=False,
            ) as response:
                return _judge(response, await _beginning(response), time_s)
        except (Rejected, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(False, self._failure(error))

    async def close(self) -> None:
        """End the connections; the next attempt opens new ones (the sender's task may be started again)."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _failure(self, error: Exception) -> str:
        """Why there was no answer, for an operator."""
        target = self.endpoint.target
        if isinstance(error, Rejected):
            return str(error)
        for kind, words in (
            (TimeoutError, f"{target.shown} did not answer within {self.endpoint.timeout_s:g} s"),
            (
                aiohttp.ClientConnectorCertificateError,
                f"the certificate of {target.shown} is not trusted (for the plant's own authority: ca_file)",
            ),
            (aiohttp.ClientConnectorDNSError, f"the name {target.host} cannot be resolved"),
            (aiohttp.ClientConnectorError, f"{target.shown} cannot be reached"),
        ):
            if isinstance(error, kind):
                return words if kind is TimeoutError else f"{words}: {_why(error)}"
        return f"{target.shown} broke the exchange off: {_why(error)}"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,  # every attempt connects to what was resolved and checked for it
                force_close=True,  # a kept connection that went stale would cost an alarm a whole back-off
                limit=0,
                ssl=self._tls,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self.endpoint.timeout_s, sock_connect=CONNECT_S),
                headers={"user-agent": f"stethos/{version('stethos')}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """The keys in a secret's file, read anew for every attempt: a new secret needs no restart.

    Raises Rejected if the file cannot be read, or others than its owner can.
    """
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode & 0o777
            content = file.read(MAX_SECRET_FILE_BYTES + 1)
    except OSError as error:
        raise Rejected(f"the secret's file {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise Rejected(f"the secret's file {path} has mode {mode:04o}: run chmod 600 {path}")
    if len(content) > MAX_SECRET_FILE_BYTES:
        raise Rejected(f"the secret's file {path} is too large: is it the right one?")
    try:
        return parse_secrets(content.decode("ascii"))
    except UnicodeDecodeError:
        raise Rejected(f"the secret's file {path} is not plain text") from None
    except Rejected as error:
        raise Rejected(f"{path}: {error}") from None


def own_among(addresses: Collection[str]) -> list[str]:
    """Those of the addresses that are of this box: a socket can be bound to them.

    Asked of the kernel one by one: a hardened service may not list its network cards (that takes AF_NETLINK).
    Only where any address can be bound (`ip_nonlocal_bind`) are they listed. Raises OSError.
    """
    chosen = [address.partition("%")[0] for address in addresses]
    if any(_can_be_bound(nobody) for nobody in _NOBODY_S):
        families = (socket.AF_INET, socket.AF_INET6)
        cards = psutil.net_if_addrs().values()
        return [one.address for card in cards for one in card if one.family in families]
    return [address for address in chosen if _can_be_bound(address)]


_NOBODY_S = ("192.0.2.1", "2001:db8::1")  # RFC 5737, RFC 3849: for documents, never of a box


def _can_be_bound(address: str) -> bool:
    plain = inner_address(address)
    try:
        with socket.socket(
            socket.AF_INET if plain.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM
        ) as probe:
            probe.bind((str(plain), 0))
    except OSError as error:
        # A link-local address without its zone (EINVAL) is refused by a rule of its own.
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.EACCES)
    return True


def check_literal(target: Target) -> None:
    """Check a target that is an address: those never come to the resolver. Raises Rejected."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in target.host else socket.AF_INET, target.host.split("%")[0])
    except OSError:
        return
    check_address(target, target.host, own_among([target.host]))


class _CheckedResolver(AbstractResolver):
    """Resolves a name for one attempt; refuses it as a whole where one of its addresses breaks a rule."""

    def __init__(self, target: Target, resolve: Resolve) -> None:
        self._target = target
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolve(host, port, int(family))
        own = own_among([address for _, address in found])
        for _, address in found:
            check_address(self._target, address, own)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=found_family,
                proto=socket.IPPROTO_TCP,
                flags=int(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV),
            )
            for found_family, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def _resolve(host: str, port: int, family: int) -> list[tuple[int, str]]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [(int(one[0]), str(one[4][0])) for one in found]


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if endpoint.ca_file is not None:
            context.load_verify_locations(cafile=endpoint.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Fatal(f"the certificates in {endpoint.ca_file} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read the answer to its end, so that one cut short is noticed; gives its beginning, printable."""
    beginning, count = b"", 0
    async for piece in response.content.iter_chunked(4096):
        count += len(piece)
        beginning = (beginning + piece)[: 4 * DETAIL_SIGNS]
        if count > MAX_ANSWER_BYTES:
            break
    text = beginning.decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else " " for sign in text)[:DETAIL_SIGNS].strip()


def _judge(response: aiohttp.ClientResponse, detail: str, now_s: float) -> Outcome:
    status = response.status
    if 200 <= status < 300:
        return Outcome(True, f"accepted with status {status}", status, None, detail)
    if 300 <= status < 400:
        to = "".join(sign for sign in response.headers.get("location", "")[:200] if sign.isprintable())
        reason = f"status {status}: redirects are never followed; configure the final URL"
        return Outcome(False, f"{reason} ({to})" if to else reason, status, None, detail)
    remedy = _REMEDIES.get(status, "the receiver has a fault of its own" if status >= 500 else "")
    reason = f"status {status}: {remedy}" if remedy else f"status {status}"
    return Outcome(False, reason, status, retry_after_s(response.headers, now_s), detail)


def retry_after_s(given: Mapping[str, str], now_s: float) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date); None if absent or unreadable.

    A date counts from the receiver's own Date where it states one: the two clocks need not agree.
    """
    text = str(given.get("retry-after", "")).strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    when = _date_s(text)
    if when is None:
        return None
    sent = _date_s(str(given.get("date", "")))
    return max(0.0, when - (now_s if sent is None else sent))


def _date_s(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _why(error: BaseException) -> str:
    """The innermost reason that an exception has, in one line."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    number = getattr(inner, "errno", None)
    if isinstance(inner, ssl.SSLError):
        text = getattr(inner, "verify_message", None) or inner.reason or str(inner)
    elif isinstance(number, int) and number > 0:
        text = os.strerror(number)
    else:
        text = getattr(inner, "strerror", None) or str(inner)
    return (text or type(inner).__name__).replace("\n", " ")[:200]
