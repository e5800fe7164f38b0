"""Who may write to a real influxd, and over what: user, token, private CA, certificate of the box."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import time
import urllib.error
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.config_central import CentralSettings
from appliance.demo_central import LocalInflux
from appliance.errors import Fatal
from appliance.journal.record import RecordClass
from appliance.sinks.influx import InfluxSink
from appliance.sinks.sink import EncodedRecord, OutboxBatch, SinkStopped, SinkUnavailable
from appliance.wiring_central import _writer as writer_of
from appliance.wiring_central import central_reader
from tests.appliance.sinks.influx_server import count, local_influx

SHARED_SECRET = "the server's own"


def batch() -> OutboxBatch:
    lines = [EncodedRecord(i, i, b"m,t=a value=%d.0 %d" % (i, i)) for i in range(1, 11)]
    return OutboxBatch.of_lines(RecordClass.TELEMETRY, lines)


def settings(url: str, **given: object) -> CentralSettings:
    return CentralSettings(url=url, database="stethos", **{"version": 1, **given})  # type: ignore[arg-type]


def jwt(secret: str, **claims: object) -> str:
    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    head = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (head + b"." + part(hmac.digest(secret.encode(), head, hashlib.sha256))).decode()


async def test_a_user_or_a_token_opens_version_1_and_a_wrong_one_stops_the_sink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = local_influx(tmp_path)
    await server.start()
    await asyncio.to_thread(server.ask, "CREATE USER box WITH PASSWORD 'right' WITH ALL PRIVILEGES")
    await server.stop()
    monkeypatch.setenv("INFLUXDB_HTTP_AUTH_ENABLED", "true")
    monkeypatch.setenv("INFLUXDB_HTTP_SHARED_SECRET", SHARED_SECRET)
    starting = asyncio.create_task(
        server.start()
    )  # it never ends: without a user it cannot ask whether it is up
    await answers(server)
    starting.cancel()
    secret = tmp_path / "secret"
    token = jwt(SHARED_SECRET, username="box", exp=time.time() + 600)
    try:
        for wrong, right, given in (
            ("wrong", "right", {"user": "box", "password_file": secret}),
            (jwt("another", username="box", exp=time.time() + 600), token, {"token_file": secret}),
        ):
            one = settings(server.url, **given)
            sink, reader = InfluxSink(writer_of(one)), central_reader(one)
            secret.write_text(wrong + "\n")
            with pytest.raises(SinkStopped, match="401"):
                await sink.deliver(batch())
            secret.write_text(right + "\n")
            assert (await sink.deliver(batch())).accepted == 10, "rotated without a restart"
            (row,) = await reader.rows('SELECT count(value) FROM "m"')
            assert row["count"] == 10
            await sink.close()
            await reader.close()
    finally:
        await server.kill()


async def answers(server: LocalInflux) -> None:
    """Until it says anything at all."""
    async with asyncio.timeout(60):
        while True:
            try:
                await asyncio.to_thread(server.ask, "SHOW DATABASES", "")
            except urllib.error.HTTPError:
                return
            except OSError:
                await asyncio.sleep(0.05)


class Pki:
    """A private authority, a server's certificate and a box's."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plant CA")])
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._pem(self._certificate(self._name, self._key, None)))
        self.server = self._pair(folder, "server", x509.DNSName("localhost"))
        self.box = self._pair(folder, "box", x509.DNSName("box"))

    def _pair(self, folder: Path, name: str, alternative: x509.GeneralName) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, key_file = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self._pem(self._certificate(subject, key, alternative)))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key_file

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, alternative: x509.GeneralName | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=alternative is None, path_length=None), critical=True)
        )
        if alternative is not None:
            made = made.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        return made.sign(self._key, hashes.SHA256())

    @staticmethod
    def _pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)


@contextlib.asynccontextmanager
async def door(server: LocalInflux, pki: Pki) -> AsyncIterator[str]:
    """What stands before a database in a plant: TLS, and only clients with a certificate."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.ca_file))
    tls.load_cert_chain(*pki.server)
    tls.verify_mode = ssl.CERT_REQUIRED
    host, port = server.url.removeprefix("http://").split(":")

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))

        async def carry(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, ssl.SSLError):
                while part := await source.read(65_536):
                    to.write(part)
                    await to.drain()
            to.close()

        await asyncio.gather(carry(reader, back), carry(there, writer))

    listening = await asyncio.start_server(through, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"https://localhost:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


async def test_a_private_authority_and_a_certificate_of_the_box(tmp_path: Path, influxd: LocalInflux) -> None:
    pki = Pki(tmp_path)
    certificate, key = pki.box
    async with door(influxd, pki) as url:
        for lacking in (
            {},  # it does not know the authority
            {"ca_file": pki.ca_file},  # it has no certificate of its own
        ):
            sink = InfluxSink(writer_of(settings(url, **lacking)))
            with pytest.raises(SinkUnavailable):
                await sink.deliver(batch())
            await sink.close()
        one = settings(url, ca_file=pki.ca_file, client_certificate_file=certificate, client_key_file=key)
        sink, reader = InfluxSink(writer_of(one)), central_reader(one)
        assert (await sink.deliver(batch())).accepted == 10
        (row,) = await reader.rows('SELECT count(value) FROM "m"')
        assert row["count"] == 10
        await sink.close()
        await reader.close()
    assert await asyncio.to_thread(count, influxd, "m", "value") == 10
    for bad in ({"client_certificate_file": key, "client_key_file": key}, {"ca_file": key}):
        with pytest.raises(Fatal, match="cannot be used"):
            writer_of(settings("https://localhost:1", **bad))
