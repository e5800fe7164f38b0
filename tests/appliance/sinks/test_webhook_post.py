"""One attempt: the name is resolved once and checked, Retry-After is read, secrets are kept close."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import psutil
import pytest

from appliance.errors import Rejected
from appliance.sinks.webhook_message import MAX_BODY_BYTES, Message, message_id, probe_message
from appliance.sinks.webhook_post import Endpoint, WebhookPost, own_among, read_secrets, retry_after_s
from appliance.sinks.webhook_targets import parse_target
from tests.appliance.sinks.receiver import receiver, write_secret

MESSAGE = Message(message_id("k"), "a", 1, "raised", b'{"data": {"alarm_id": "a"}}')


class Names:
    """A name server that may change its answer: (family, address) per look-up."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int, family: int) -> list[tuple[int, str]]:
        self.asked += 1
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, address)]


async def post(
    url: str, secret: Path, names: Names | None = None, timeout_s: float = 60.0, **allowed: bool
) -> tuple[bool, str]:
    one = WebhookPost(Endpoint(parse_target(url, **allowed), secret, timeout_s=timeout_s), names)
    try:
        outcome = await one.attempt(MESSAGE, 1_800_000_000)
        return outcome.delivered, outcome.reason
    finally:
        await one.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return write_secret(tmp_path / "secret")


def cards() -> list[str]:
    families = (socket.AF_INET, socket.AF_INET6)
    return [one.address for card in psutil.net_if_addrs().values() for one in card if one.family in families]


def test_the_box_knows_its_own_addresses_without_listing_its_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hardened service may not open AF_NETLINK, which every listing of network cards needs."""
    own = [one for one in cards() if not one.startswith("fe80:")]
    foreign = ["192.0.2.7", "8.8.8.8", "2001:db8::7", "::ffff:192.0.2.7"]
    plain = socket.socket

    def confined(family: int = socket.AF_INET, *rest: int, **named: int) -> socket.socket:
        if family not in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
            raise OSError(97, "Address family not supported by protocol")
        return plain(family, *rest, **named)

    monkeypatch.setattr(socket, "socket", confined)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: pytest.fail("it lists the cards"))
    assert own_among([*own, *foreign, "::ffff:127.0.0.1", "127.8.9.10"]) == [
        *own,
        "::ffff:127.0.0.1",
        "127.8.9.10",
    ]


def test_where_any_address_can_be_bound_the_cards_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "bind", lambda self, address: None)
    assert "192.0.2.7" not in own_among(["192.0.2.7"])
    assert "127.0.0.1" in own_among(["192.0.2.7"])


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0", "169.254.7.7"]
)
async def test_a_name_that_leads_to_the_box_is_refused_before_a_byte_is_sent(
    secret: Path, address: str
) -> None:
    async with receiver() as cmms:
        delivered, reason = await post(
            f"http://cmms.example:{cmms.port}/", secret, Names(address), allow_http=True
        )
        assert not delivered
        assert "cmms.example" in reason
        assert not cmms.seen


async def test_every_address_of_the_box_is_known_as_its_own(secret: Path) -> None:
    outside = [one for one in cards() if ":" not in one and not one.startswith("127.")]
    for address in outside or ["127.0.0.1"]:
        _, reason = await post("http://cmms.example:9/", secret, Names(address), allow_http=True)
        assert "this box itself" in reason
        with_literal = await post(f"http://{address}:9/", secret, allow_http=True) if outside else (False, "")
        assert not outside or "this box itself" in with_literal[1]


async def test_the_name_is_resolved_once_and_a_second_answer_changes_nothing(secret: Path) -> None:
    """Rebinding: first an address that may be, then the box. What was checked is what is connected to."""
    names = Names("192.0.2.1", "127.0.0.1")  # TEST-NET-1: nobody answers there
    async with receiver() as cmms:
        delivered, _ = await post(f"http://cmms.example:{cmms.port}/", secret, names, 2.0, allow_http=True)
        assert not delivered
        assert names.asked == 1
        delivered, reason = await post(f"http://cmms.example:{cmms.port}/", secret, names, allow_http=True)
        assert "this box itself" in reason  # the next attempt resolves, and checks, anew
        assert not cmms.seen


async def test_an_allowed_name_is_connected_to_and_keeps_its_host_header(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")  # never asked
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        delivered, reason = await post(
            f"http://cmms.example:{port}/hook", secret, Names("127.0.0.1"), allow_http=True, allow_local=True
        )
    assert delivered, reason
    assert f"host: cmms.example:{port}" in seen[0].lower()


async def test_a_name_without_an_address_is_said(secret: Path) -> None:
    async def nobody(host: str, port: int, family: int) -> list[tuple[int, str]]:
        raise socket.gaierror(-2, "Name or service not known")

    one = WebhookPost(Endpoint(parse_target("https://cmms.example/"), secret), nobody)
    outcome = await one.attempt(MESSAGE, 1)
    await one.close()
    assert "cmms.example cannot be resolved: Name or service not known" in outcome.reason


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "9" * 400}, 999_999_999.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60.0),
        # the receiver's own clock is a year off: its difference counts
        ({"retry-after": "Thu, 21 Oct 2027 07:28:00 GMT", "date": "Thu, 21 Oct 2027 07:27:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2020 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(given: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(given, 1_792_567_620.0) == expected


def test_secrets_of_others_and_no_files_are_refused(tmp_path: Path) -> None:
    path = write_secret(tmp_path / "secret")
    assert len(read_secrets(path)) == 1
    path.chmod(0o640)
    with pytest.raises(Rejected, match="mode 0640: run chmod 600"):
        read_secrets(path)
    with pytest.raises(Rejected, match="No such file"):
        read_secrets(tmp_path / "none")
    path.chmod(0o600)
    path.write_bytes(b"\xff" * 10)
    with pytest.raises(Rejected, match="not plain text"):
        read_secrets(path)
    path.write_bytes(b"#" * 10_000)
    with pytest.raises(Rejected, match="too large"):
        read_secrets(path)


def test_a_test_message_is_small_and_never_the_same() -> None:
    first, second = (probe_message(unique, "hall-3", 1_800_000_000_000_000_000) for unique in "ab")
    assert first.message_id != second.message_id
    assert len(first.body) < MAX_BODY_BYTES
