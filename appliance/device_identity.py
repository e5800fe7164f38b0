"""Who this device is to the world outside: a key of its own, made at the first start.

Duty: the key file, the fingerprint made of it, and its signature under what the device must know again as its
own. The name of an appliance may change or be given twice by mistake; the fingerprint does neither.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from appliance.errors import Fatal

FILE_NAME = "device.key"
_ID_CHARACTERS = 32  # 128 bits of SHA-256


def device_id(state_dir: Path) -> str:
    """Fingerprint of the device's key (32 hexadecimal digits); the key is made (mode 0600) if there is none.

    Raises Fatal if the key cannot be read or made: a device that changes its id would be two at the centre.
    """
    public = (
        _key(state_dir)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return hashlib.sha256(public).hexdigest()[:_ID_CHARACTERS]


class OwnSignature:
    """Signs texts of one purpose, and knows again what this device signed for it: the same text, the same
    signature."""

    def __init__(self, state_dir: Path, purpose: str) -> None:
        """Raises Fatal as `device_id` does."""
        key = _key(state_dir)
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise Fatal(f"the device key in {state_dir} is no Ed25519 key")
        self._key, self._heading = key, f"{purpose}\n".encode()

    def sign(self, text: str) -> str:
        """Base64 of the signature."""
        return base64.b64encode(self._key.sign(self._heading + text.encode())).decode()

    def holds(self, text: str, signature: str) -> bool:
        """Whether this device has signed the text."""
        try:
            given = base64.b64decode(signature, validate=True)
            self._key.public_key().verify(given, self._heading + text.encode())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def _key(state_dir: Path) -> PrivateKeyTypes:
    path = state_dir / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Fatal(
            f"the device key {path} cannot be used: {error}; restore it from a backup, or remove it: the "
            "appliance is then a new device to the centre"
        ) from error


def _make(path: Path) -> None:
    """Whole or not at all: a power cut in between must not leave half a key."""
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(half, path)  # never over a key that is there
    half.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
