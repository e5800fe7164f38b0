"""`stethos webhook`: tests a receiver of alarms, lists what waits and what was given up, sends that again."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.commands.service_owner import give_to_owner_of
from appliance.config_file import load_settings
from appliance.config_webhooks import WebhookSettings
from appliance.errors import Fatal, Rejected
from appliance.sinks.webhook_message import iso_time, probe_message
from appliance.sinks.webhook_post import read_secrets
from appliance.sinks.webhook_signature import MAX_SECRETS, secret_text
from appliance.sinks.webhook_store import StoredMessage, read_states, redrive
from appliance.wiring_webhooks import build_post

SECRET_BYTES = 32


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `webhook` and its actions to the command line."""
    parser = subparsers.add_parser(
        "webhook",
        help="test the receivers of alarms, list and resend what they did not take",
        description="Exit code 0: done; 1: not possible, or the test was not taken; 2: wrong configuration.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    test = actions.add_parser("test", help="send a signed test message and explain the answer")
    listing = actions.add_parser("list", help="what waits, and what was given up (dead letters)")
    again = actions.add_parser("redrive", help="let dead letters be sent again")
    for action in (test, listing, again):
        action.add_argument("--config", type=Path, required=True, metavar="FILE")
        action.add_argument("--name", help="of one receiver; all without it", metavar="NAME")
        action.add_argument("--json", action="store_true", help="print one JSON object")
    again.add_argument("ids", nargs="*", metavar="ID", help="of messages; all dead letters without")
    secret = actions.add_parser(
        "new-secret",
        help="put a new secret into a file",
        description="Prints the new secret for the receiver. The last one stays good until the next change.",
    )
    secret.add_argument("file", type=Path, metavar="FILE")
    test.set_defaults(run=run_test)
    listing.set_defaults(run=run_list)
    again.set_defaults(run=run_redrive)
    secret.set_defaults(run=run_new_secret)


def run_test(options: argparse.Namespace) -> int:
    """Send a test message to each chosen receiver."""
    settings = load_settings(options.config)
    hooks = _chosen(settings.webhooks, options.name)
    results = [asyncio.run(_test(hook, settings.station.name)) for hook in hooks]
    if options.json:
        print(json.dumps({"results": results}))
    else:
        for result in results:
            print(f"{result['name']}: {'delivered' if result['delivered'] else 'NOT delivered'} "
                  f"to {result['address']} in {result['took_s']:.2f} s: {result['reason']}")  # fmt: skip
            if result["answer"]:
                print(f"  the receiver wrote: {result['answer']}")
    return EXIT_OK if results and all(result["delivered"] for result in results) else EXIT_FAILED


def run_list(options: argparse.Namespace) -> int:
    """List what waits and what was given up."""
    settings = load_settings(options.config)
    states = {state.hook: state for state in read_states(settings.station.state_dir / "journal")}
    document: dict[str, Any] = {}
    for hook in _chosen(settings.webhooks, options.name):
        state = states.get(hook.name)
        document[hook.name] = {
            "waiting": [] if state is None else [_row(one) for one in state.waiting],
            "dead_letters": [] if state is None else [_row(one) for one in state.dead],
            "dead_letters_dropped": 0 if state is None else state.dropped,
        }
    if options.json:
        print(json.dumps(document))
        return EXIT_OK
    for name, lists in document.items():
        waiting, dead = lists["waiting"], lists["dead_letters"]
        print(f"{name}: {len(waiting)} waiting, {len(dead)} dead letters"
              f" ({lists['dead_letters_dropped']} older ones dropped)")  # fmt: skip
        for title, rows in (("waiting", waiting), ("dead", dead)):
            for row in rows:
                print(f"  {title} {row['id']} {row['alarm_id']} {row['what']}, "
                      f"{row['attempts']} attempts: {row['reason'] or 'not tried yet'}")  # fmt: skip
    return EXIT_OK


def run_redrive(options: argparse.Namespace) -> int:
    """Let dead letters be sent again."""
    settings = load_settings(options.config)
    folder = settings.station.state_dir / "journal"
    counts = {hook.name: redrive(folder, hook.name, options.ids)
              for hook in _chosen(settings.webhooks, options.name)}  # fmt: skip
    if options.json:
        print(json.dumps(counts))
    else:
        for name, count in counts.items():
            print(f"{name}: {count} messages are sent again, by a running appliance within seconds")
    return EXIT_OK


def run_new_secret(options: argparse.Namespace) -> int:
    """Put a new secret above the present one."""
    path: Path = options.file
    try:
        known = [secret_text(key) for key in read_secrets(path)] if path.exists() else []
    except Rejected as error:
        raise Fatal(str(error)) from error
    new = secret_text(secrets.token_bytes(SECRET_BYTES))
    lines = [new, *known][:MAX_SECRETS]
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
        with os.fdopen(file, "w") as writing:
            writing.write("\n".join(lines) + "\n")
            writing.flush()
            os.fsync(writing.fileno())
        give_to_owner_of(path if path.exists() else path.parent, fresh)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise Fatal(f"{path} cannot be written: {error.strerror}") from error
    print(new)
    return EXIT_OK


async def _test(hook: WebhookSettings, appliance: str) -> dict[str, Any]:
    post = build_post(hook)
    message = probe_message(secrets.token_hex(16), appliance, time.time_ns())
    began_s = time.monotonic()
    try:
        outcome = await post.attempt(message, int(time.time()))
    finally:
        await post.close()
    return {
        "name": hook.name,
        "address": post.endpoint.target.shown,
        "id": message.message_id,
        "delivered": outcome.delivered,
        "status": outcome.status,
        "reason": outcome.reason,
        "answer": outcome.detail,
        "took_s": time.monotonic() - began_s,
    }


def _chosen(hooks: Sequence[WebhookSettings], name: str | None) -> list[WebhookSettings]:
    chosen = [hook for hook in hooks if name in (None, hook.name)]
    if not chosen:
        known = ", ".join(hook.name for hook in hooks) or "none: add [[webhooks]]"
        which = "webhook" if name is None else f'webhook "{name}"'
        raise Fatal(f"there is no {which}; configured are: {known}")
    return chosen


def _row(stored: StoredMessage) -> dict[str, Any]:
    message = stored.message
    return {
        "id": message.message_id,
        "alarm_id": message.alarm_id,
        "sequence": message.sequence,
        "what": message.what,
        "attempts": stored.attempts,
        "reason": stored.reason,
        "given_up_at": None if stored.dead_time_ns is None else iso_time(stored.dead_time_ns),
    }
