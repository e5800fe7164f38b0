"""The table [central]: where the central InfluxDB is, and what may go there how fast.

Duty: its settings and the rules between them. Without the table everything is kept on the box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from appliance.config_base import Settings


class CentralSettings(Settings):
    url: Annotated[
        str,
        Field(
            pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$",
            description="address of the central InfluxDB",
            examples=["https://influx.example:8086"],
        ),
    ]
    version: Annotated[Literal[1, 2, 3], Field(description="of the server: 1, 2, or 3 for 3 Core")]
    database: Annotated[
        str, Field(max_length=200, description="versions 1 and 3: the database to write to")
    ] = ""
    retention_policy: Annotated[
        str, Field(max_length=200, description="version 1: empty takes the database's default")
    ] = ""
    org: Annotated[str, Field(max_length=200, description="version 2: the organisation")] = ""
    bucket: Annotated[str, Field(max_length=200, description="version 2: the bucket to write to")] = ""
    user: Annotated[str, Field(max_length=200, description="version 1: user name; empty sends none")] = ""
    password_file: Annotated[
        Path | None, Field(description="version 1: file that holds the password of user, mode 0600")
    ] = None
    token_file: Annotated[
        Path | None,
        Field(description="file that holds the token, mode 0600; version 1: a JWT, in place of a user"),
    ] = None
    ca_file: Annotated[
        Path | None,
        Field(description="PEM certificates to trust, where the server's is not publicly signed"),
    ] = None
    client_certificate_file: Annotated[
        Path | None,
        Field(description="PEM certificate of this box, where the server asks for one; with its chain"),
    ] = None
    client_key_file: Annotated[Path | None, Field(description="its private key (PEM), mode 0600")] = None
    allow_http: Annotated[
        bool, Field(description="send without TLS beyond this machine: anybody on the way can read along")
    ] = False
    timeout_s: Annotated[float, Field(ge=1, le=300, description="longest wait for an answer, s")] = 30.0
    batch_records: Annotated[
        int, Field(ge=1, le=10_000, description="records in one request at most", examples=[2000])
    ] = 2000
    backlog_points_per_s: Annotated[
        float, Field(gt=0, le=1e6, description="how fast a backlog drains; live records are not slowed")
    ] = 5000.0
    backlog_kb_per_s: Annotated[
        float, Field(gt=0, le=1e6, description="the same in kB/s as sent, for a metered line")
    ] = 512.0
    daily_telemetry_mb: Annotated[
        float,
        Field(ge=0, le=1e6, description="telemetry that may go out in a day (UTC), MB as sent; 0: no bound"),
    ] = 0.0
    daily_counter_mb: Annotated[
        float, Field(ge=0, le=1e6, description="the same of counters; alarms always go")
    ] = 0.0
    daily_limit_mb: Annotated[float, Field(ge=0, le=1e6, description="the same of learned limits")] = 0.0
    provisional_times: Annotated[
        Literal["hold", "send"],
        Field(
            description="records made while the clock was not trusted: hold keeps them here; send sends "
            "them, marked, for a box whose clock somebody else keeps (a container)"
        ),
    ] = "hold"
    audit_days: Annotated[
        float,
        Field(
            ge=0,
            le=90,
            description="how far back arrival is audited, and healed from what the box still has; 0: never",
        ),
    ] = 14.0
    audit_every_min: Annotated[
        float,
        Field(ge=5, le=10_080, description="how often the last day is audited; all days are daily"),
    ] = 60.0
    command_keys_file: Annotated[
        Path | None,
        Field(
            description="public keys of the centre (PEM, Ed25519): what they signed is carried out; "
            "without it none are read"
        ),
    ] = None
    command_poll_s: Annotated[
        float, Field(ge=1, le=3600, description="how often the centre is asked for commands, s")
    ] = 10.0


_OF_VERSION = {  # what a version needs, and what belongs to others
    1: (("database",), ("org", "bucket")),
    2: (("org", "bucket", "token_file"), ("database", "retention_policy", "user", "password_file")),
    3: (("database",), ("org", "bucket", "retention_policy", "user", "password_file")),
}


def central_problems(
    central: CentralSettings, is_loopback: Callable[[str], bool]
) -> Iterator[tuple[str, str, str]]:
    """Every broken rule as (key, reason, remedy)."""
    needed, foreign = _OF_VERSION[central.version]
    for name in needed:
        if not getattr(central, name):
            yield f"central.{name}", "is missing", f"Version {central.version} of the server needs it."
    for name in foreign:
        if getattr(central, name):
            yield (
                f"central.{name}",
                f"does not belong to version {central.version}",
                "Remove it, or write another version.",
            )
    if central.version == 1 and bool(central.user) != (central.password_file is not None):
        missing = "password_file" if central.user else "user"
        yield f"central.{missing}", "is missing", "User and password belong together: give both or none."
    if central.user and central.token_file is not None:
        yield "central.token_file", "is a second secret beside user", "Give a user or a token."
    if (central.client_certificate_file is None) != (central.client_key_file is None):
        missing = "client_key_file" if central.client_key_file is None else "client_certificate_file"
        yield f"central.{missing}", "is missing", "Certificate and key belong together: give both or none."
    files = ("password_file", "token_file", "ca_file", "client_certificate_file", "client_key_file")
    for name in (*files, "command_keys_file"):
        path: Path | None = getattr(central, name)
        if path is not None and not path.is_file():
            yield f"central.{name}", f"there is no file {path}", "Create it, or correct the path."
    address = urlsplit(central.url)
    plain = address.scheme == "http" and not is_loopback(address.hostname or "")
    if plain and not central.allow_http:
        yield (
            "central.url",
            "sends password and data without TLS beyond this machine",
            "Write https://, or allow_http = true where the network is your own.",
        )
