"""What a measurement at the centre is made of: the words in which the schema is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.journal.record import RecordKind


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field's type ("float", "integer", "string", "boolean"), unit and meaning."""

    type: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class MeasurementInfo:
    """One measurement: the kind of record it comes from, its tags, its fields."""

    kind: RecordKind
    tags: tuple[str, ...]
    fields: Mapping[str, FieldInfo]
    meaning: str


TIME_MARKS = {
    "time_trusted": FieldInfo("boolean", "", "false: the clock was not trusted; absent: the time is good"),
    "time_resolved": FieldInfo("boolean", "", "true: the clock was not trusted, the time was found later"),
    "time_bound_s": FieldInfo("float", "s", "the true time lies within this, either way; absent: exact"),
}
"""On every measurement: what its time rests on."""
