"""Versions of limits as journal records, and back.

Duty: the payload of LIMIT_VERSION records. A version that took a baseline into service, or out of it, carries
what was learned (`content`), so that it can be restored after the journal's other records have left. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from appliance.errors import Rejected
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.limit_versions import LimitAction, LimitKey, LimitVersion

FORMAT = "limit-version-1"


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version as the journal has it. `sequence` 0: held in memory, not durable yet."""

    sequence: int
    version: LimitVersion
    time_ns: int  # UTC
    time_trusted: bool
    content: Mapping[str, Any] | None  # what was learned, as `analysis_limits.content_of` gives it
    content_of: str = ""  # the baseline that `content` holds


def version_record(
    version: LimitVersion, monotonic_ns: int, content: Mapping[str, Any] | None, content_of: str
) -> NewRecord:
    """The record of one version."""
    payload = {
        "format": FORMAT,
        **dataclasses.asdict(version),
        "content": content,
        "content_of": content_of if content is not None else "",
    }
    return NewRecord(
        RecordClass.LIMIT,
        RecordKind.LIMIT_VERSION,
        f"limit-version/{version.key.subject}/{version.version}/{version.change_id}",
        version.key.subject,
        monotonic_ns,
        orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY),
    )


def learned_record(
    channel_id: str, document: Mapping[str, Any], change_id: str, monotonic_ns: int
) -> NewRecord:
    """The record of all that a channel has learned, after a change."""
    return NewRecord(
        RecordClass.LIMIT,
        RecordKind.LEARNED_LIMIT,
        f"limit/{channel_id}/{change_id}",
        channel_id,
        monotonic_ns,
        orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY),
    )


def stored_version(record: Record) -> StoredVersion:
    """The version of a record. Raises Rejected if its payload is not one."""
    version, content, content_of = version_of(record.payload, record.key)
    return StoredVersion(record.sequence, version, record.time_ns, record.time_trusted, content, content_of)


def version_of(payload: bytes, name: str) -> tuple[LimitVersion, Mapping[str, Any] | None, str]:
    """The version of a payload, what was learned then if it carries that, and the baseline that this holds.
    Raises Rejected, naming the record, if the payload is not one."""
    try:
        fields = orjson.loads(payload)
        if fields["format"] != FORMAT:
            raise ValueError(f"format {fields['format']!r}; {FORMAT!r} is known")
        version = LimitVersion(
            asset_id=str(fields["asset_id"]),
            key=LimitKey(str(fields["key"]["channel_id"]), str(fields["key"]["operating_state"])),
            version=int(fields["version"]),
            action=LimitAction(fields["action"]),
            actor=str(fields["actor"]),
            reason=str(fields["reason"]),
            change_id=str(fields["change_id"]),
            baseline=str(fields["baseline"]),
            factor=float(fields["factor"]),
            pinned=bool(fields["pinned"]),
            locked=bool(fields["locked"]),
            rests_on_s=float(fields["rests_on_s"]),
            windows=int(fields["windows"]),
            provisional=bool(fields["provisional"]),
            of_version=None if fields["of_version"] is None else int(fields["of_version"]),
        )
        return version, fields["content"], str(fields["content_of"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Rejected(f"record {name} is no version of a limit: {error}") from error
