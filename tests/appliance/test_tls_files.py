"""The appliance's own certificate: made once, private, and good for a TLS handshake."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from appliance.errors import Fatal
from appliance.tls_files import TlsFiles, own_tls_files


async def test_certificate_serves_tls_and_is_trusted_by_its_fingerprint(tmp_path: Path) -> None:
    files = own_tls_files(tmp_path / "tls", "0.0.0.0")
    files.check()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(files.certificate, files.key)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    client_context = ssl.create_default_context(cafile=str(files.certificate))
    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server_context) as server:
        port = server.sockets[0].getsockname()[1]
        for name in ("localhost", "127.0.0.1"):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client_context, server_hostname=name
            )
            assert await reader.read() == b"hello"
            writer.close()
    assert len(files.fingerprint().split(":")) == 32


def test_key_is_private_and_both_are_made_once(tmp_path: Path) -> None:
    first = own_tls_files(tmp_path / "tls", "192.168.1.7")
    assert first.key.stat().st_mode & 0o777 == 0o600
    before = first.fingerprint()
    assert own_tls_files(tmp_path / "tls", "192.168.1.7").fingerprint() == before


def test_no_certificate_where_none_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("in the way")
    with pytest.raises(Fatal, match="no certificate can be made"):
        own_tls_files(tmp_path / "tls", "0.0.0.0")


def test_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("nonsense")
    with pytest.raises(Fatal, match="cannot be used for HTTPS"):
        TlsFiles(tmp_path / "c.pem", tmp_path / "k.pem").check()
    with pytest.raises(Fatal, match="is no certificate"):
        TlsFiles(tmp_path / "c.pem", tmp_path / "k.pem").fingerprint()
