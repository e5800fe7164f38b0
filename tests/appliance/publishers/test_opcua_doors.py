"""Ways in that an honest client does not take: asyncua's client and bare sockets, bent for the purpose."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import Client, ua
from asyncua.client.ua_client import UaClient
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import UaError

from appliance.publishers import opcua_limits
from appliance.publishers.opcua_certificates import OwnCertificate, own_certificate
from appliance.publishers.opcua_sessions import SHORTEST_PUBLISH_MS, Bounds
from tests.appliance.publishers.opcua_rig import PASSWORD, RMS, USER, Rig, good, serving

TIMEOUT_S = 60


@contextlib.asynccontextmanager
async def client_of(rig: Rig, folder: Path, *, user: str = USER) -> AsyncIterator[Client]:
    """asyncua's client, signed in."""
    own = own_certificate(folder)
    client = await unconnected(rig, own)
    if user:
        client.set_user(user)
        client.set_password(PASSWORD)
    async with client:
        yield client


async def unconnected(rig: Rig, own: OwnCertificate) -> Client:
    client = Client(rig.url, timeout=TIMEOUT_S)
    client.application_uri = own.application_uri
    await client.set_security(SecurityPolicyBasic256Sha256, str(own.certificate), str(own.key))
    return client


async def test_a_plain_channel_gets_no_session_even_with_the_right_password(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua") as rig:
        client = Client(rig.url, timeout=TIMEOUT_S)
        client.set_user(USER)
        client.set_password(PASSWORD)
        await client.connect_socket()
        try:
            await client.send_hello()
            await client.open_secure_channel()
            assert len(await client.get_endpoints()) == 1  # asking is allowed
            with pytest.raises(UaError, match=r"security policy|SecurityPolicy"):
                await client.create_session()
        finally:
            client.disconnect_socket()


async def test_an_anonymous_token_is_rejected(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua") as rig:
        client = await unconnected(rig, own_certificate(tmp_path / "client"))
        await client.connect_socket()
        try:
            await client.send_hello()
            await client.open_secure_channel()
            await client.create_session()
            parameters = ua.ActivateSessionParameters()
            parameters.UserIdentityToken = ua.AnonymousIdentityToken()
            with pytest.raises(UaError):
                await client.uaclient.activate_session(parameters)
            with pytest.raises(UaError):
                await client.nodes.objects.get_children()
        finally:
            client.disconnect_socket()


async def test_the_channel_s_own_certificate_is_judged_not_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger names a trusted client's certificate, or none, when it creates its session."""
    async with serving(tmp_path / "ua", any_client=False) as rig:
        trusted = own_certificate(tmp_path / "known")
        (tmp_path / "ua" / "trusted" / "known.der").write_bytes(trusted.certificate.read_bytes())
        async with client_of(rig, tmp_path / "known"):
            pass
        create = UaClient.create_session
        for named in (trusted.certificate.read_bytes(), None):

            async def bent(
                self: UaClient, parameters: ua.CreateSessionParameters, named: bytes | None = named
            ) -> ua.CreateSessionResult:
                parameters.ClientCertificate = named
                return await create(self, parameters)

            monkeypatch.setattr(UaClient, "create_session", bent)
            with pytest.raises(UaError):
                async with client_of(rig, tmp_path / "stranger"):
                    pass


async def test_nobody_reaches_another_s_subscription_and_intervals_are_bounded(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "ua", bounds=Bounds(subscriptions_per_session=2, monitored_items=3)) as rig,
        client_of(rig, tmp_path / "a") as one,
        client_of(rig, tmp_path / "b") as other,
    ):
        rig.server.publish([good(RMS, 1.0)])
        node = one.get_node(f"ns=2;s={RMS}")
        subscription = await one.create_subscription(1, _Nothing())
        assert subscription.parameters.RequestedPublishingInterval == SHORTEST_PUBLISH_MS  # as revised
        (own,) = await other.uaclient.delete_subscriptions([subscription.subscription_id])
        assert not own.is_good()
        with pytest.raises(UaError):
            await other.uaclient.set_publishing_mode(
                ua.SetPublishingModeParameters(False, [subscription.subscription_id])
            )
        await subscription.subscribe_data_change([node, node, node])
        with pytest.raises(UaError):
            await subscription.subscribe_data_change([node])
        await one.create_subscription(500, _Nothing())
        with pytest.raises(UaError):
            await one.create_subscription(500, _Nothing())


class _Nothing:
    def datachange_notification(self, node: object, value: object, data: object) -> None: ...


async def test_bytes_that_are_no_opc_ua_end_their_connection_only(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua") as rig, client_of(rig, tmp_path / "client") as client:
        endless = b"HELF" + struct.pack("<I", 0x7FFFFFFF)
        for sent in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x00" * 100,
            endless + b"x" * 300_000,
            b"MSGF" + b"\xff" * 50,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
            with contextlib.suppress(ConnectionError):
                writer.write(sent)
                await writer.drain()
                if sent is not endless:
                    await asyncio.wait_for(reader.read(), TIMEOUT_S)
            writer.close()
        assert await client.nodes.objects.get_children()


async def test_what_a_client_does_not_read_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signed-in client asks and asks and never reads an answer: it is cut off, another is served on."""
    monkeypatch.setattr(opcua_limits, "MOST_UNSENT_BYTES", 300_000)
    async with (
        serving(tmp_path / "ua") as rig,
        client_of(rig, tmp_path / "a") as deaf,
        client_of(rig, tmp_path / "b") as other,
    ):
        rig.server.publish([good("machines/motor-1/headline", "x" * 60_000)])
        protocol = deaf.uaclient.protocol
        assert protocol is not None and protocol.transport is not None
        protocol.transport.pause_reading()
        node = deaf.get_node("ns=2;s=machines/motor-1/headline")
        asking = [asyncio.create_task(node.read_value()) for _ in range(200)]
        async with asyncio.timeout(60):
            while len(rig.server._nodes) and await _connections(other) > 1:
                await asyncio.sleep(0.05)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert await other.nodes.objects.get_children()
        protocol.transport.abort()


async def _connections(client: Client) -> int:
    """Connections of this process to the server, as the operating system has them."""
    import psutil

    protocol = client.uaclient.protocol
    assert protocol is not None and protocol.transport is not None
    port = protocol.transport.get_extra_info("peername")[1]
    found = psutil.Process().net_connections("tcp")
    return sum(one.status == "ESTABLISHED" and one.laddr.port == port for one in found)


async def test_what_is_not_served_is_said_so_and_nothing_can_be_made_or_unmade(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua") as rig:
        rig.server.publish([good(RMS, 1.5)])
        async with client_of(rig, tmp_path / "client") as client:
            node = client.get_node(f"ns=2;s={RMS}")
            with pytest.raises(UaError, match="BadHistoryOperationUnsupported"):
                await node.read_raw_history()
            for attempt in (
                client.nodes.objects.add_object(2, "more"),
                client.delete_nodes([node]),
                node.add_reference(client.nodes.objects, ua.ObjectIds.HasComponent),
            ):
                with pytest.raises(UaError, match="BadUserAccessDenied"):
                    await attempt
            async with asyncio.timeout(60):
                while await node.read_value() != 1.5:
                    await asyncio.sleep(0.02)
