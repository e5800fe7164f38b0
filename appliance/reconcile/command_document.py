"""What the centre orders of one box: the signed document of a command, and whether it holds here and now.

Duty: the form of a command (docs/central-commands.md), its signature, and the judgement on it. Pure: time and
what was seen before are arguments; whoever calls reads the centre and carries the command out.

Signed are the bytes of the document as they travel, after a fixed heading that no other message of ours
begins with: nothing is parsed before the signature is known to be good.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from appliance.alarms.acts import CENTRE, MAX_REASON, Act, ActivationId, ActKind, EventMark, HybridStamp
from appliance.errors import StethosError

FORMAT = "stethos-command-1"
MEASUREMENT, RESULT_MEASUREMENT = "command", "command_result"
MAX_DOCUMENT_BYTES, MAX_NAME = 8_000, 80
LONGEST_LIFE_NS = 7 * 86_400 * 1_000_000_000
LONGEST_SHELVING_NS = 7 * 86_400 * 1_000_000_000
MOST_AHEAD_NS = 300 * 1_000_000_000  # of a clock at the centre against this box's
_HEADING = FORMAT.encode() + b"\n"
_KEY_ID_CHARACTERS = 16
_COMMAND_ID = re.compile(r"[0-9a-f]{32}")
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)

LIMIT_ACTIONS = ("lock", "unlock", "raise", "learn anew", "undo", "restore")


class CommandRefused(StethosError):  # noqa: N818
    """A command that is not carried out, for the reason given. `signed`: its author is known all the same."""

    def __init__(self, reason: str, signed: bool = False) -> None:
        super().__init__(reason)
        self.signed = signed


@dataclass(frozen=True, slots=True)
class AlarmOrder:
    """Acknowledge, shelve or unshelve the activation that its author saw."""

    kind: ActKind
    alarm_id: str
    named: ActivationId
    until_ns: int = 0  # of shelve: UTC


@dataclass(frozen=True, slots=True)
class LimitOrder:
    """A change of learned limits, as a person would order it on the box."""

    asset_id: str
    action: str
    seen_revision: int
    channel_id: str | None = None
    operating_state: str | None = None
    factor: float | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the centre. Times are UTC ns."""

    command_id: str  # 32 hexadecimal digits
    device_id: str
    stamp: HybridStamp
    issued_ns: int
    expires_ns: int
    actor: str
    reason: str
    order: AlarmOrder | LimitOrder

    def act(self, key_id: str) -> Act:
        """What it does to an alarm. Raises CommandRefused for an order that is none to an alarm."""
        order = self.order
        if not isinstance(order, AlarmOrder):
            raise CommandRefused("it is no order to an alarm", True)
        # Of one key the time of issue counts up, and the centre stores one command per device and time.
        mark = EventMark(self.stamp, f"{CENTRE}{key_id}", self.issued_ns)
        return Act(order.kind, mark, self.actor, self.reason, order.until_ns)


@dataclass(frozen=True, slots=True)
class SignedCommand:
    """A command as it travels: the document's text, its signature (base64), the signing key's id."""

    document: str
    signature: str
    key_id: str


def key_id_of(key: Ed25519PublicKey) -> str:
    """A fingerprint of a public key, 16 hexadecimal digits."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:_KEY_ID_CHARACTERS]


def public_keys(pem: bytes) -> dict[str, Ed25519PublicKey]:
    """The keys of a file, by id: one, or several while one is replaced. Raises ValueError."""
    keys = [serialization.load_pem_public_key(block) for block in _PEM.findall(pem)]
    ours = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not ours or len(ours) < len(keys):
        raise ValueError("it must hold Ed25519 public keys in PEM, as `stethos command new-key` writes them")
    return {key_id_of(key): key for key in ours}


def signed(command: Command, key: Ed25519PrivateKey) -> SignedCommand:
    """A command under the centre's signature. Raises CommandRefused for one that no box would take."""
    document = orjson.dumps(_document(command))
    command_of(document)
    signature = key.sign(_HEADING + document)
    return SignedCommand(document.decode(), base64.b64encode(signature).decode(), key_id_of(key.public_key()))


def verified(said: SignedCommand, keys: Mapping[str, Ed25519PublicKey]) -> Command:
    """The command of a document whose signature is good. Raises CommandRefused."""
    document = said.document.encode("utf-8", "surrogatepass")
    if len(document) > MAX_DOCUMENT_BYTES:
        raise CommandRefused(f"its document has {len(document):,} bytes; {MAX_DOCUMENT_BYTES:,} are possible")
    key = keys.get(said.key_id)
    if key is None:
        raise CommandRefused(f"it names the key {said.key_id[:32]!r}, which is not among those trusted here")
    try:
        key.verify(base64.b64decode(said.signature, validate=True), _HEADING + document)
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise CommandRefused("its signature is not that of the key it names") from error
    return command_of(document)


def judge(command: Command, *, device_id: str, now_ns: int, seen: HybridStamp, done: Collection[str]) -> None:
    """Whether a verified command holds on this device now; `done` has the ids of those that were carried out.

    `now_ns` is trusted UTC, `seen` the greatest stamp that the device gave or saw. Raises CommandRefused.
    """
    if command.device_id != device_id:
        raise CommandRefused(f"it was signed for device {command.device_id[:40]}, not for this one", True)
    if command.command_id in done:
        raise CommandRefused("it was carried out before: a copy does nothing", True)
    if command.issued_ns > now_ns + MOST_AHEAD_NS:
        ahead_s = (command.issued_ns - now_ns) / 1e9
        raise CommandRefused(f"it was issued {ahead_s:.0f} s in the future: compare the clocks", True)
    if command.stamp.wall_ns > max(now_ns, seen.wall_ns) + MOST_AHEAD_NS:
        raise CommandRefused("its stamp lies in the future: compare the clocks", True)
    if now_ns >= command.expires_ns:
        raise CommandRefused(f"it expired {(now_ns - command.expires_ns) / 1e9:.0f} s ago", True)


def command_of(document: bytes) -> Command:
    """The command of a document. Raises CommandRefused, naming what is wrong with it."""
    try:
        said = orjson.loads(document)
        if said["format"] != FORMAT:
            raise ValueError(f"format {str(said['format'])[:40]!r}; {FORMAT!r} is known")
        command = Command(
            command_id=str(said["command_id"]),
            device_id=_text(said, "device_id"),
            stamp=HybridStamp(_whole(said["stamp"], "wall_ns"), _whole(said["stamp"], "logical")),
            issued_ns=_whole(said, "issued_ns"),
            expires_ns=_whole(said, "expires_ns"),
            actor=_text(said, "actor"),
            reason=str(said["reason"])[:MAX_REASON],
            order=_order(said["order"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CommandRefused(f"its document is no command: {type(error).__name__} {error}", True) from error
    if not _COMMAND_ID.fullmatch(command.command_id):
        raise CommandRefused("its command_id is not 32 hexadecimal digits", True)
    if not 0 < command.expires_ns - command.issued_ns <= LONGEST_LIFE_NS:
        raise CommandRefused("it must expire after it is issued, and within seven days", True)
    order = command.order
    if isinstance(order, AlarmOrder) and order.kind is ActKind.SHELVE:
        shelved_ns = order.until_ns - command.issued_ns
        if not 0 < shelved_ns <= LONGEST_SHELVING_NS:
            raise CommandRefused("it must shelve into the future, and for seven days at most", True)
    return command


def _document(command: Command) -> dict[str, Any]:
    order = command.order
    if isinstance(order, AlarmOrder):
        told: dict[str, Any] = {
            "kind": order.kind,
            "alarm_id": order.alarm_id,
            "activation": order.named.number,
            "raised_time_ns": order.named.raised_time_ns,
            "until_ns": order.until_ns,
        }
    else:
        told = {
            "kind": "limit",
            "asset_id": order.asset_id,
            "action": order.action,
            "seen_revision": order.seen_revision,
            "channel_id": order.channel_id,
            "operating_state": order.operating_state,
            "factor": order.factor,
            "version": order.version,
        }
    return {
        "format": FORMAT,
        "command_id": command.command_id,
        "device_id": command.device_id,
        "stamp": {"wall_ns": command.stamp.wall_ns, "logical": command.stamp.logical},
        "issued_ns": command.issued_ns,
        "expires_ns": command.expires_ns,
        "actor": command.actor,
        "reason": command.reason,
        "order": told,
    }


def _order(said: Mapping[str, Any]) -> AlarmOrder | LimitOrder:
    if said["kind"] != "limit":
        named = ActivationId(_whole(said, "activation"), _whole(said, "raised_time_ns"))
        return AlarmOrder(
            ActKind(said["kind"]), _text(said, "alarm_id", 200), named, _whole(said, "until_ns")
        )
    if said["action"] not in LIMIT_ACTIONS:
        raise ValueError(f"action {str(said['action'])[:40]!r}; known are {', '.join(LIMIT_ACTIONS)}")
    factor = None if said["factor"] is None else float(said["factor"])
    if factor is not None and not (math.isfinite(factor) and 1.0 <= factor <= 10.0):
        raise ValueError("factor must lie between 1 and 10")
    return LimitOrder(
        _text(said, "asset_id", 200),
        str(said["action"]),
        _whole(said, "seen_revision"),
        None if said["channel_id"] is None else _text(said, "channel_id", 200),
        None if said["operating_state"] is None else _text(said, "operating_state", 200),
        factor,
        None if said["version"] is None else _whole(said, "version"),
    )


def _whole(said: Mapping[str, Any], name: str) -> int:
    value = said[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ValueError(f"{name} must be a whole number from 0 on")
    return value


def _text(said: Mapping[str, Any], name: str, longest: int = MAX_NAME) -> str:
    value = said[name]
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise ValueError(f"{name} must be a printable text of 1 to {longest} characters")
    return value
