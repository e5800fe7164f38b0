"""Certificates of the OPC UA server: its own, made at the first start, and those of clients it trusts.

Duty: files in one folder:

    own/certificate.der, own/key.pem      this server's; the key has mode 0600
    trusted/*.der|*.pem|*.crt|*.cer       clients that may connect, or authorities that sign for them
    rejected/<name>-<thumbprint>.der      clients that were refused: move one to trusted/ to admit it

A folder is looked at whenever a client connects; nothing needs a restart. Knows no OPC UA server.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.errors import Fatal

logger = logging.getLogger(__name__)

KEY_BITS = 2048  # Basic256Sha256 admits 2048 to 4096 (OPC 10000-7)
VALID_DAYS = 3650
NOT_BEFORE = datetime(2025, 1, 1, tzinfo=UTC)  # the clock may not be set at the first start
MOST_REJECTED = 50
MOST_TRUSTED = 500
MOST_CERTIFICATE_BYTES = 20_000
_ENDINGS = (".der", ".pem", ".crt", ".cer")


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """This server's certificate (DER) and key (PEM), and the application URI that the certificate states."""

    certificate: Path
    key: Path
    application_uri: str


class Trust(StrEnum):
    """What came of looking at a client's certificate; the value is the status code that it is told."""

    TRUSTED = "Good"
    INVALID = "BadCertificateInvalid"
    OUT_OF_TIME = "BadCertificateTimeInvalid"
    OTHER_URI = "BadCertificateUriInvalid"
    UNTRUSTED = "BadCertificateUntrusted"


def own_certificate(folder: Path) -> OwnCertificate:
    """Certificate and key in `folder`, made now if they are not there. Raises Fatal if that is impossible."""
    own = folder / "own"
    certificate, key = own / "certificate.der", own / "key.pem"
    try:
        if not (certificate.is_file() and key.is_file()):
            _make(certificate, key)
        uri = _application_uri(certificate, key)
        if uri is None:
            aside = folder / f"own.damaged-{certificate.stat().st_mtime_ns}"
            own.rename(aside)
            logger.error("OPC UA certificate damaged, set aside and made anew folder=%s", aside)
            _make(certificate, key)
            uri = _application_uri(certificate, key) or ""
    except OSError as error:
        raise Fatal(f"no OPC UA certificate can be made in {folder}: {error.strerror}") from error
    return OwnCertificate(certificate, key, uri)


def _application_uri(certificate: Path, key: Path) -> str | None:
    """What the certificate states; None where it cannot be used with the key."""
    try:
        found = x509.load_der_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        uris = _uris(found)
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return None
    return uris[0] if uris and private.public_key() == found.public_key() else None


class ClientTrust:
    """The folders of trusted and rejected client certificates."""

    def __init__(self, folder: Path, *, any_client: bool = False) -> None:
        self._trusted = folder / "trusted"
        self._rejected = folder / "rejected"
        self._any_client = any_client
        for path in (self._trusted, self._rejected):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def judge(self, der: bytes | None, application_uri: str | None, now: datetime | None) -> Trust:
        """Whether a client with this certificate may connect.

        `application_uri` None: it was compared before. `now` None: the clock cannot be trusted.
        """
        if not der or len(der) > MOST_CERTIFICATE_BYTES:
            return Trust.INVALID
        der = _first_of_chain(der)
        try:
            certificate = x509.load_der_x509_certificate(der)
            key, uris = certificate.public_key(), _uris(certificate)
        except (ValueError, x509.ExtensionNotFound):
            return Trust.INVALID
        found = Trust.TRUSTED
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS:
            found = Trust.INVALID
        elif (
            now is not None and not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        ):
            found = Trust.OUT_OF_TIME
        elif application_uri is not None and application_uri not in uris:
            found = Trust.OTHER_URI
        elif not (self._any_client or self._is_trusted(certificate, der)):
            self._keep_rejected(certificate, der)
            found = Trust.UNTRUSTED
        return found

    def waiting(self) -> list[str]:
        """Names of the kept certificates of refused clients that are not trusted by now. Blocking."""
        trusted = {one.public_bytes(serialization.Encoding.DER) for one in _certificates(self._trusted)}
        found = []
        for path in sorted(self._rejected.iterdir()):
            try:
                if path.suffix == ".der" and path.read_bytes()[:MOST_CERTIFICATE_BYTES] not in trusted:
                    found.append(path.name)
            except OSError:  # somebody moves it just now
                continue
        return found

    def _is_trusted(self, certificate: x509.Certificate, der: bytes) -> bool:
        for trusted in _certificates(self._trusted):
            if trusted.public_bytes(serialization.Encoding.DER) == der or _signed_by(certificate, trusted):
                return True
        return False

    def _keep_rejected(self, certificate: x509.Certificate, der: bytes) -> None:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(names[0].value) if names else "client")[:40]
        path = self._rejected / f"{name}-{hashlib.sha1(der, usedforsecurity=False).hexdigest()[:16]}.der"
        try:
            if not path.exists() and sum(1 for _ in self._rejected.iterdir()) < MOST_REJECTED:
                path.write_bytes(der)
        except OSError as error:
            logger.warning("rejected certificate not kept file=%s reason=%s", path, error)
        logger.warning(
            "OPC UA client certificate not trusted file=%s remedy=move it to %s", path, self._trusted
        )


def _first_of_chain(der: bytes) -> bytes:
    """The client's own certificate: a client may send those of its authorities behind it."""
    if der[:2] == b"\x30\x82":
        return der[: 4 + int.from_bytes(der[2:4], "big")]
    return der


def _certificates(folder: Path) -> Iterator[x509.Certificate]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
    for path in files[:MOST_TRUSTED]:
        try:
            content = path.read_bytes()[:MOST_CERTIFICATE_BYTES]
            pem = content.lstrip().startswith(b"-----BEGIN")
            yield (x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate)(content)
        except (OSError, ValueError) as error:
            logger.warning("trusted certificate cannot be read file=%s reason=%s", path, error)


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        if not authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return True


def _uris(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _make(certificate: Path, key_file: Path) -> None:
    certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname()) or "stethos"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Stethos {host}"[:64])])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names = [x509.UniformResourceIdentifier(f"urn:{host}:stethos"), x509.DNSName(host)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(max(datetime.now(UTC), NOT_BEFORE) + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, pem, 0o600)
    _write(certificate, made.public_bytes(serialization.Encoding.DER), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
