"""The table [object_store]: where captured waveforms may go, and how many bytes a day.

Duty: its settings and the rules between them. Without the table no waveform leaves the box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from appliance.config_base import Settings


class ObjectStoreSettings(Settings):
    kind: Annotated[
        Literal["s3", "https"],
        Field(description="s3: S3-compatible, signed (Signature Version 4); https: PUT to a web server"),
    ]
    url: Annotated[
        str,
        Field(
            pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$",
            description="address of the store; for s3 without the bucket",
            examples=["https://s3.eu-central-1.amazonaws.com"],
        ),
    ]
    bucket: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$|^$", max_length=63, description="s3: the bucket")
    ] = ""
    region: Annotated[
        str, Field(pattern=r"^[a-z0-9-]+$", max_length=40, description="s3: region that is signed for")
    ] = "us-east-1"
    access_key_id: Annotated[str, Field(max_length=128, description="s3: name of the key")] = ""
    secret_key_file: Annotated[
        Path | None, Field(description="s3: file that holds the secret key, mode 0600")
    ] = None
    token_file: Annotated[
        Path | None,
        Field(description="https: file of a bearer token, mode 0600; without it none is sent"),
    ] = None
    prefix: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$",
            max_length=200,
            description="what the names of all objects begin with",
        ),
    ] = "stethos"
    ca_file: Annotated[
        Path | None,
        Field(description="PEM certificates to trust, where the store's is not publicly signed"),
    ] = None
    allow_http: Annotated[
        bool, Field(description="send without TLS beyond this machine: anybody on the way can read along")
    ] = False
    timeout_s: Annotated[float, Field(ge=1, le=3600, description="longest wait for one object, s")] = 300.0
    daily_budget_mb: Annotated[
        float, Field(gt=0, le=1e6, description="so much may leave in a day (UTC), MB; the rest waits")
    ] = 200.0
    provisional_times: Annotated[
        Literal["hold", "send"],
        Field(
            description="captures made while the clock was not trusted: hold keeps them here; send sends "
            "them, marked, for a box whose clock somebody else keeps (a container)"
        ),
    ] = "hold"


def object_store_problems(
    store: ObjectStoreSettings, is_loopback: Callable[[str], bool]
) -> Iterator[tuple[str, str, str]]:
    """Every broken rule as (key, reason, remedy)."""
    s3_only, https_only = ("bucket", "access_key_id", "secret_key_file"), ("token_file",)
    needed, foreign = (s3_only, https_only) if store.kind == "s3" else ((), s3_only)
    for name in needed:
        if not getattr(store, name):
            yield f"object_store.{name}", "is missing", "An S3-compatible store needs it."
    for name in foreign:
        if getattr(store, name):
            other = "https" if store.kind == "s3" else "s3"
            yield (
                f"object_store.{name}",
                f"does not belong to kind {store.kind}",
                f'Remove it, or write kind = "{other}".',
            )
    for name in ("secret_key_file", "token_file", "ca_file"):
        path: Path | None = getattr(store, name)
        if path is not None and not path.is_file():
            yield f"object_store.{name}", f"there is no file {path}", "Create it, or correct the path."
    address = urlsplit(store.url)
    if address.scheme == "http" and not is_loopback(address.hostname or "") and not store.allow_http:
        yield (
            "object_store.url",
            "sends waveforms without TLS beyond this machine",
            "Write https://, or allow_http = true where the network is your own.",
        )
