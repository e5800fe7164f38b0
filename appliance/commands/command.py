"""`stethos command`: for the centre: makes its key, and signs what it orders of one box as line protocol.

Needs no appliance and no network: the printed line is what the centre writes into its InfluxDB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.alarms.acts import ActivationId, ActKind, HybridStamp
from appliance.commands import EXIT_CONFIGURATION, EXIT_OK
from appliance.errors import Fatal
from appliance.reconcile.command_document import (
    LIMIT_ACTIONS,
    MEASUREMENT,
    AlarmOrder,
    Command,
    CommandRefused,
    LimitOrder,
    key_id_of,
    signed,
)
from appliance.reconcile.hybrid_clock import HybridClock
from appliance.sinks.line_protocol import line

VALID_H, SHELVED_H = 24.0, 8.0
HOUR_NS = 3_600 * 1_000_000_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `command` and its actions to the command line."""
    parser = subparsers.add_parser(
        "command",
        help="sign acknowledgements, shelvings and limit changes at the centre",
        description="Exit code 0: done; 1: not possible; 2: wrong arguments. See docs/central-commands.md.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    new_key = actions.add_parser(
        "new-key", help="make the centre's key: FILE (secret) and FILE.pub (for boxes)"
    )
    new_key.add_argument("file", type=Path, metavar="FILE")
    new_key.set_defaults(run=run_new_key)
    sign = actions.add_parser("sign", help="print a signed command as one line of line protocol")
    orders = sign.add_subparsers(title="orders", metavar="ORDER", required=True)
    for kind in ActKind:
        order = orders.add_parser(kind.value, help=f"{kind.value} the activation that you see")
        _add_common(order)
        order.add_argument("--alarm", required=True, metavar="ID", help="field alarm_id")
        order.add_argument("--activation", type=int, required=True, metavar="N", help="field activation")
        order.add_argument("--raised-ns", type=int, required=True, metavar="NS", help="field raised_time_ns")
        order.add_argument(
            "--seen",
            default="0:0",
            metavar="HLC_NS:LOGICAL",
            help="fields hlc_ns and hlc_logical of the newest row of the alarm: this command comes after it",
        )
        if kind is ActKind.SHELVE:
            order.add_argument("--hours", type=float, default=SHELVED_H, help=f"how long ({SHELVED_H:g})")
        order.set_defaults(run=run_sign, kind=kind)
    limit = orders.add_parser("limit", help="change learned limits of a machine")
    _add_common(limit)
    limit.add_argument("--asset", required=True, metavar="ID")
    limit.add_argument("--action", required=True, choices=LIMIT_ACTIONS)
    limit.add_argument("--seen-revision", type=int, required=True, metavar="N",
                       help="what the sum of the newest `version` of each of its limits was")  # fmt: skip
    limit.add_argument("--channel", metavar="ID", help="all without")
    limit.add_argument("--state", metavar="NAME", help="operating state; all without")
    limit.add_argument("--percent", type=float, help="of raise: 100 to 1000")
    limit.add_argument("--version", type=int, help="of restore")
    limit.set_defaults(run=run_sign, kind=None, seen="0:0")


def _add_common(order: argparse.ArgumentParser) -> None:
    order.add_argument("--key", type=Path, required=True, metavar="FILE", help="the centre's secret key")
    order.add_argument("--device", required=True, metavar="ID", help="tag device_id of the box")
    order.add_argument("--actor", required=True, metavar="NAME", help="who orders it: shown on the box")
    order.add_argument("--reason", default="", metavar="TEXT")
    order.add_argument(
        "--valid-hours", type=float, default=VALID_H, help=f"until it expires ({VALID_H:g}, at most 168)"
    )
    order.add_argument("--json", action="store_true", help="print line, id, key and document as JSON")


def run_new_key(options: argparse.Namespace) -> int:
    """Make a key pair; never over a file that is there."""
    key = Ed25519PrivateKey.generate()
    public_path = options.file.with_name(options.file.name + ".pub")
    try:
        if public_path.exists():
            raise FileExistsError
        descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        public_path.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    except FileExistsError as error:
        raise Fatal(f"{options.file} or {public_path} is there already: choose another name") from error
    except OSError as error:
        raise Fatal(f"{options.file} cannot be written: {error.strerror}") from error
    print(
        f"key {key_id_of(key.public_key())}: {options.file} stays at the centre, {public_path} goes to the "
        "boxes ([central] command_keys_file)"
    )
    return EXIT_OK


def run_sign(options: argparse.Namespace) -> int:
    """Print one signed command."""
    key = _key(options.key)
    now_ns = time.time_ns()
    try:
        wall_ns, _, logical = options.seen.partition(":")
        clock = HybridClock("centre")
        clock.recall(HybridStamp(int(wall_ns), int(logical or 0)))
        command = Command(
            command_id=uuid.uuid4().hex,
            device_id=options.device,
            stamp=clock.tick(now_ns),
            issued_ns=now_ns,
            expires_ns=now_ns + round(options.valid_hours * HOUR_NS),
            actor=options.actor,
            reason=options.reason,
            order=_order(options, now_ns),
        )
        said = signed(command, key)
    except (CommandRefused, ValueError, OverflowError) as error:
        print(f"no box would take this command: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    written = line(
        MEASUREMENT,
        {"device_id": command.device_id},
        {"document": said.document, "key_id": said.key_id, "signature": said.signature},
        command.issued_ns,
    )
    assert written is not None
    told = {"line": written.decode(), "command_id": command.command_id, "key_id": said.key_id,
            "issued_ns": command.issued_ns, "document": json.loads(said.document)}  # fmt: skip
    print(json.dumps(told) if options.json else told["line"])
    return EXIT_OK


def _order(options: argparse.Namespace, now_ns: int) -> AlarmOrder | LimitOrder:
    if options.kind is None:
        return LimitOrder(
            options.asset,
            options.action,
            options.seen_revision,
            options.channel,
            options.state,
            None if options.percent is None else options.percent / 100.0,
            options.version,
        )
    until_ns = now_ns + round(options.hours * HOUR_NS) if options.kind is ActKind.SHELVE else 0
    named = ActivationId(options.activation, options.raised_ns)
    return AlarmOrder(options.kind, options.alarm, named, until_ns)


def _key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Fatal(f"the centre's key {path} cannot be used: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Fatal(f"the centre's key {path} is no Ed25519 key: make one with `stethos command new-key`")
    return key
