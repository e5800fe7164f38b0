"""The appliance's own TLS certificate, made at the first start.

Duty: a self-signed certificate and its key in the state folder, for whoever has none of their own. The
browser warns once; the fingerprint that is printed tells a person that it is this appliance.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.errors import Fatal

VALID_DAYS = 3650  # nobody visits a box in a plant to renew what it signed itself
NOT_BEFORE = datetime(2025, 1, 1, tzinfo=UTC)  # the clock may not be set at the first start


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """Raises Fatal where certificate and key cannot be used together."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise Fatal(f"{self.certificate} and {self.key} cannot be used for HTTPS: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as browsers show it. Raises Fatal if it cannot be read."""
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise Fatal(f"{self.certificate} is no certificate that can be read: {error}") from error
        digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
        return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def own_tls_files(folder: Path, host: str) -> TlsFiles:
    """Certificate and key in `folder`, made now if they are not there. Raises Fatal if that is impossible."""
    files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
    if files.certificate.is_file() and files.key.is_file():
        return files
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write_private(files.key, pem)
        files.certificate.write_bytes(_certificate(key, host).public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise Fatal(f"no certificate can be made in {folder}: {error.strerror}") from error
    return files


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _certificate(key: ec.EllipticCurvePrivateKey, host: str) -> x509.Certificate:
    own_name = socket.gethostname()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, own_name[:64] or "stethos")])
    now = max(datetime.now(UTC), NOT_BEFORE)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(own_name, host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _names(own_name: str, host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.DNSName(own_name)] if own_name and own_name.isascii() else []
    addresses = {ipaddress.ip_address("127.0.0.1")}
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names.append(x509.DNSName(host))
    else:
        addresses |= set() if address.is_unspecified else {address}
    return [*names, *(x509.IPAddress(address) for address in sorted(addresses, key=str))]
