"""The tables [[webhooks]]: who is told of alarms over HTTPS, and of which.

Duty: their settings and the rules between them. Without a table nothing is sent.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from appliance.alarms.process_rule import PROCESS_VALUES, SLOW_TAG
from appliance.alarms.rules import CHECK_SENSOR, DRIFT, MACHINE_CONDITION
from appliance.alarms.system import SystemCondition
from appliance.config_base import Settings
from appliance.errors import Rejected
from appliance.sinks.webhook_targets import MAX_URL, parse_target

KINDS = (
    *(MACHINE_CONDITION, CHECK_SENSOR, DRIFT, PROCESS_VALUES, SLOW_TAG),
    *(str(condition) for condition in SystemCondition),
)
MAX_WEBHOOKS = 10


class WebhookSettings(Settings):
    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9._-]*$",
            max_length=64,
            description="what this receiver is called: lower-case letters, digits, dot, dash, underscore",
            examples=["maintenance"],
        ),
    ]
    url: Annotated[
        str,
        Field(
            max_length=MAX_URL,
            description="address of the receiver",
            examples=["https://cmms.example/hooks/stethos"],
        ),
    ]
    secret_file: Annotated[
        Path, Field(description="file that holds the secret whsec_..., two while it is changed; mode 0600")
    ]
    min_severity: Annotated[
        Literal["good", "watch", "warn", "stop"],
        Field(description="rated alarms below this are not sent; alarms without a rating always are"),
    ] = "good"
    kinds: Annotated[
        list[str],
        Field(
            max_length=32,
            description="kinds of alarms that are sent; empty sends all",
            examples=[["machine condition"]],
        ),
    ] = Field(default_factory=list)
    ca_file: Annotated[
        Path | None,
        Field(description="PEM certificates to trust, where the receiver's is not publicly signed"),
    ] = None
    timeout_s: Annotated[
        float, Field(ge=1, le=120, description="longest wait for the receiver's answer, s")
    ] = 15.0
    give_up_after_h: Annotated[
        float, Field(ge=0.1, le=720, description="tried for this long, then a dead letter, h")
    ] = 72.0
    allow_http: Annotated[bool, Field(description="send without TLS: anybody on the way can read along")] = (
        False
    )
    allow_local: Annotated[
        bool, Field(description="send to this box itself and to link-local addresses, too")
    ] = False


def webhook_problems(webhooks: Sequence[WebhookSettings]) -> Iterator[tuple[str, str, str]]:
    """Every broken rule as (key, reason, remedy)."""
    names: dict[str, str] = {}
    for index, hook in enumerate(webhooks):
        key = f"webhooks[{index}]"
        if hook.name in names:
            yield f"{key}.name", f'"{hook.name}" is already used by {names[hook.name]}', "Give each its own."
        names.setdefault(hook.name, f"{key}.name")
        try:
            parse_target(hook.url, allow_http=hook.allow_http, allow_local=hook.allow_local)
        except Rejected as error:
            reason, _, remedy = str(error).partition(": ")
            yield (
                f"{key}.url",
                reason,
                remedy[:1].upper() + remedy[1:] or "Write the receiver's https:// URL.",
            )
        for name in ("secret_file", "ca_file"):
            path: Path | None = getattr(hook, name)
            if path is not None and not path.is_file():
                made = " `stethos webhook new-secret FILE` makes one." if name == "secret_file" else ""
                yield f"{key}.{name}", f"there is no file {path}", f"Create it, or correct the path.{made}"
        for kind in hook.kinds:
            if kind not in KINDS:
                close = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.5)
                hint = f'Did you mean "{close[0]}"?' if close else f"Kinds are: {', '.join(KINDS)}."
                yield f"{key}.kinds", f'there is no kind of alarm "{kind}"', hint
