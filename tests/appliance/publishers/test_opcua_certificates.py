"""Certificates: the server's own, and which clients are trusted."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from appliance.errors import Fatal
from appliance.publishers.opcua_certificates import MOST_REJECTED, ClientTrust, Trust, own_certificate

NOW = datetime(2030, 1, 1, tzinfo=UTC)
URI = "urn:scada:client"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    name: str = "SCADA",
    *,
    uri: str = URI,
    key: rsa.RSAPrivateKey = KEY,
    signed_by: tuple[x509.Certificate, rsa.RSAPrivateKey] | None = None,
    ca: bool = False,
    until: datetime = NOW + timedelta(days=1),
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (subject, key) if signed_by is None else (signed_by[0].subject, signed_by[1])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1000))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )


def der(of: x509.Certificate) -> bytes:
    return of.public_bytes(serialization.Encoding.DER)


def test_own_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    own = own_certificate(tmp_path)
    made = x509.load_der_x509_certificate(own.certificate.read_bytes())
    assert stat.S_IMODE(own.key.stat().st_mode) == 0o600
    assert own.application_uri.startswith("urn:")
    key = serialization.load_pem_private_key(own.key.read_bytes(), None)
    assert key.public_key() == made.public_key()
    again = own_certificate(tmp_path)
    assert again == own
    assert again.certificate.read_bytes() == der(made)


def test_a_damaged_own_certificate_is_set_aside_and_made_anew(tmp_path: Path) -> None:
    first = own_certificate(tmp_path)
    first.certificate.write_bytes(b"")
    again = own_certificate(tmp_path)
    assert x509.load_der_x509_certificate(again.certificate.read_bytes())
    (aside,) = tmp_path.glob("own.damaged-*")
    assert (aside / "key.pem").is_file()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("a file")
    with pytest.raises(Fatal, match="certificate"):
        own_certificate(tmp_path)


def test_an_unknown_client_is_refused_until_its_file_is_moved(tmp_path: Path) -> None:
    trust, client = ClientTrust(tmp_path), certificate("SCADA / line 1")
    assert trust.judge(der(client), URI, NOW) is Trust.UNTRUSTED
    assert trust.judge(der(client), URI, NOW) is Trust.UNTRUSTED
    (kept,) = (tmp_path / "rejected").iterdir()
    assert kept.name.startswith("SCADA_line_1-")
    kept.rename(tmp_path / "trusted" / kept.name)
    assert trust.judge(der(client), URI, NOW) is Trust.TRUSTED
    (tmp_path / "trusted" / kept.name).unlink()
    assert trust.judge(der(client), URI, NOW) is Trust.UNTRUSTED


def test_an_authority_s_clients_are_trusted_and_nobody_else_is_one(tmp_path: Path) -> None:
    trust = ClientTrust(tmp_path)
    authority = certificate("Plant CA", key=OTHER_KEY, ca=True)
    pem = authority.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "trusted" / "plant.pem").write_bytes(pem)
    client = certificate(signed_by=(authority, OTHER_KEY))
    assert trust.judge(der(client), URI, NOW) is Trust.TRUSTED
    assert trust.judge(der(client) + der(authority), URI, NOW) is Trust.TRUSTED  # with its chain
    assert trust.judge(der(certificate(signed_by=(authority, KEY))), URI, NOW) is Trust.UNTRUSTED  # forged
    no_authority = certificate("Plain", key=OTHER_KEY)
    (tmp_path / "trusted" / "plant.pem").write_bytes(der(no_authority))
    assert trust.judge(der(certificate(signed_by=(no_authority, OTHER_KEY))), URI, NOW) is Trust.UNTRUSTED


def test_even_a_trusted_certificate_must_fit_its_client_and_its_time(tmp_path: Path) -> None:
    trust, client = ClientTrust(tmp_path, any_client=True), der(certificate())
    assert trust.judge(client, URI, NOW) is Trust.TRUSTED
    assert trust.judge(client, "urn:somebody:else", NOW) is Trust.OTHER_URI
    assert trust.judge(client, URI, NOW + timedelta(days=2)) is Trust.OUT_OF_TIME
    assert trust.judge(client, URI, None) is Trust.TRUSTED  # a clock that is not set says nothing
    assert trust.judge(b"\x30\x82\xff\xff garbage", URI, NOW) is Trust.INVALID
    assert trust.judge(None, URI, NOW) is Trust.INVALID
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert trust.judge(der(certificate(key=short)), URI, NOW) is Trust.INVALID


def test_rejected_certificates_are_kept_within_a_bound(tmp_path: Path) -> None:
    trust = ClientTrust(tmp_path)
    for number in range(MOST_REJECTED + 10):
        trust.judge(der(certificate(f"client {number}")), URI, NOW)
    assert len(list((tmp_path / "rejected").iterdir())) == MOST_REJECTED
