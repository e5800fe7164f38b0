"""What is forged, copied, stale or another's is no command; what is signed is what is done."""

from __future__ import annotations

import dataclasses

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.alarms.acts import ActivationId, ActKind, HybridStamp
from appliance.reconcile.command_document import (
    LONGEST_LIFE_NS,
    MOST_AHEAD_NS,
    AlarmOrder,
    Command,
    CommandRefused,
    LimitOrder,
    SignedCommand,
    command_of,
    judge,
    key_id_of,
    public_keys,
    signed,
    verified,
)

KEY = Ed25519PrivateKey.generate()
KEYS = {key_id_of(KEY.public_key()): KEY.public_key()}
NOW_NS = 1_800_000_000 * 10**9
HOUR_NS = 3_600 * 10**9
DEVICE = "0123456789abcdef0123456789abcdef"
COMMAND = Command(
    "0" * 31 + "1",
    DEVICE,
    HybridStamp(NOW_NS, 0),
    NOW_NS,
    NOW_NS + HOUR_NS,
    "eva",
    "spare ordered",
    AlarmOrder(ActKind.ACKNOWLEDGE, "pump-1.machine-condition", ActivationId(3, NOW_NS - HOUR_NS)),
)
ORDERS = (
    COMMAND.order,
    AlarmOrder(ActKind.SHELVE, "pump-1.drift.x", ActivationId(1, 5), NOW_NS + HOUR_NS),
    AlarmOrder(ActKind.UNSHELVE, "pump-1.drift.x", ActivationId(1, 5)),
    LimitOrder("pump-1", "raise", 4, "pump-1.x", "1480 rpm", 1.3),
    LimitOrder("pump-1", "restore", 4, version=2),
)


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_signed_is_what_arrives(order: AlarmOrder | LimitOrder) -> None:
    command = dataclasses.replace(COMMAND, order=order)
    said = signed(command, KEY)
    assert verified(said, KEYS) == command
    judge(command, device_id=DEVICE, now_ns=NOW_NS, seen=HybridStamp(), done=())


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_is_no_command(data: st.DataObject) -> None:
    said = signed(COMMAND, KEY)
    which = data.draw(st.sampled_from(["document", "signature", "key_id"]))
    text = getattr(said, which)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != text[at]))
    changed = dataclasses.replace(said, **{which: text[:at] + other + text[at + 1 :]})
    if which == "signature" and text[at] == "=":
        return  # padding carries nothing
    try:
        assert verified(changed, KEYS) == COMMAND  # the last digit of base64 has bits that carry nothing
        assert which == "signature"
    except CommandRefused as error:
        assert not error.signed


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=120), st.text(max_size=40))
def test_rubbish_is_refused_and_never_an_exception_of_another_kind(
    document: str, signature: str, key_id: str
) -> None:
    for named in (key_id, next(iter(KEYS))):
        with pytest.raises(CommandRefused):
            verified(SignedCommand(document, signature, named), KEYS)


def test_the_key_of_another_signs_nothing_here() -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(CommandRefused, match="not among those trusted"):
        verified(signed(COMMAND, other), KEYS)
    claimed = dataclasses.replace(signed(COMMAND, other), key_id=next(iter(KEYS)))
    with pytest.raises(CommandRefused, match="not that of the key"):
        verified(claimed, KEYS)


@pytest.mark.parametrize(
    ("changes", "at_ns", "words"),
    [
        ({"device_id": "f" * 32}, NOW_NS, "not for this one"),
        ({}, NOW_NS + HOUR_NS, "expired"),
        ({"issued_ns": NOW_NS + 2 * MOST_AHEAD_NS}, NOW_NS, "in the future"),
        ({"stamp": HybridStamp(NOW_NS + 2 * MOST_AHEAD_NS)}, NOW_NS, "stamp lies in the future"),
        ({"command_id": "d" * 32}, NOW_NS, "before"),
    ],
)
def test_a_good_signature_is_not_enough(changes: dict[str, object], at_ns: int, words: str) -> None:
    command = verified(signed(dataclasses.replace(COMMAND, **changes), KEY), KEYS)  # type: ignore[arg-type]
    with pytest.raises(CommandRefused, match=words) as refused:
        judge(command, device_id=DEVICE, now_ns=at_ns, seen=HybridStamp(), done={"d" * 32})
    assert refused.value.signed


def test_a_stamp_after_what_the_box_itself_gave_holds() -> None:
    """The box's clock once stood in the future: its stamps do, and the centre's must come after them."""
    ahead = HybridStamp(NOW_NS + 100 * MOST_AHEAD_NS, 7)
    command = dataclasses.replace(COMMAND, stamp=HybridStamp(ahead.wall_ns, 8))
    judge(command, device_id=DEVICE, now_ns=NOW_NS, seen=ahead, done=())


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), "stethos-command-2", "stethos-command-1"),
        (("command_id",), "x", "32 hexadecimal"),
        (("expires_ns",), NOW_NS + LONGEST_LIFE_NS + 1, "seven days"),
        (("expires_ns",), NOW_NS, "after it is issued"),
        (("expires_ns",), True, "whole number"),
        (("issued_ns",), -1, "whole number"),
        (("actor",), "", "1 to 80"),
        (("actor",), "eva\n", "printable"),
        (("order", "kind"), "explode", "explode"),
        (("order", "activation"), "3", "whole number"),
        (("order", "alarm_id"), "x" * 201, "1 to 200"),
        (("order",), {"kind": "limit", "action": "forget all"}, "known are"),
        (("stamp",), None, "no command"),
    ],
)
def test_a_document_that_is_none_says_why(path: tuple[str, ...], value: object, words: str) -> None:
    said = orjson.loads(signed(COMMAND, KEY).document)
    inner = said
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(CommandRefused, match=words):
        command_of(orjson.dumps(said))


def test_shelving_ends_within_seven_days() -> None:
    for until_ns in (NOW_NS - 1, NOW_NS + 8 * 24 * HOUR_NS):
        order = AlarmOrder(ActKind.SHELVE, "a", ActivationId(1, 5), until_ns)
        with pytest.raises(CommandRefused, match="seven days"):
            signed(dataclasses.replace(COMMAND, order=order), KEY)


def test_a_file_holds_several_keys_while_one_is_replaced() -> None:
    second = Ed25519PrivateKey.generate()

    def pem(key: Ed25519PrivateKey) -> bytes:
        return key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    keys = public_keys(pem(KEY) + b"\n# the new one\n" + pem(second))
    assert set(keys) == {key_id_of(KEY.public_key()), key_id_of(second.public_key())}
    curve = generate_private_key(SECP256R1()).public_key()
    other = curve.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for wrong in (b"", b"no key", other, pem(KEY) + other):
        with pytest.raises(ValueError, match="Ed25519"):
            public_keys(wrong)
