"""The limits that a journal holds for a channel, and how old they are.

Duty: read LEARNED_LIMIT records from beside a running service and say what they rest on. Changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import Rejected
from appliance.journal.archive import Archive
from appliance.journal.record import Record, RecordKind
from appliance.limit_records import stored_version
from appliance.station_limits import words_of

_EVER_NS = (0, 1 << 62)


@dataclass(frozen=True, slots=True)
class LearnedLimit:
    """What one channel learned in one operating state, and since when the journal knows it."""

    channel_id: str
    operating_state: str
    complete: bool
    learned_s: float  # running that it was learned from
    confirmed_s: float  # run below the limit since
    windows: int
    since_ns: int  # UTC of the oldest record with this very baseline (or of the newest, while learning)
    time_trusted: bool
    ordered: str = ""  # what a person did to it last: "limit raised to 130 % by anna: new coupling"

    def age_s(self, now_ns: int) -> float:
        """Seconds since then; not below 0."""
        return max(0.0, (now_ns - self.since_ns) / 1e9)


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """All that a journal holds of one channel: limits by operating state, and the lines' baselines."""

    channel_id: str
    limits: tuple[LearnedLimit, ...]
    diagnoser: Mapping[str, Any]  # a Diagnoser's state

    def state_for(self, wanted: str | None) -> str:
        """The operating state whose line baselines apply. Raises Rejected where that is not clear."""
        known = sorted(self.diagnoser.get("baselines") or {})
        if wanted is not None:
            if wanted not in known:
                raise Rejected(
                    f"{self.channel_id!r} knows no operating state {wanted!r}: use {_listed(known)}"
                )
            return wanted
        if len(known) > 1:
            raise Rejected(f"{self.channel_id!r} learned {_listed(known)}: choose one with --operating-state")
        return known[0] if known else ""


def read_limits(state_dir: Path, channel_id: str | None) -> list[ChannelLimits]:
    """Limits of one channel, or of all, in a state folder. Raises Rejected, Fatal."""
    archive = Archive(state_dir / "journal")
    try:
        # of vibration: a subject of process values names its machine, too
        known = [one for one in archive.subjects(RecordKind.LEARNED_LIMIT) if "/" not in one]
        if channel_id is not None and channel_id not in known:
            raise Rejected(f"no limits of {channel_id!r} in {state_dir}: it holds those of {_listed(known)}")
        return [
            _channel_limits(
                one,
                list(archive.records([(RecordKind.LEARNED_LIMIT, one)], *_EVER_NS)),
                _ordered(archive, one),
            )
            for one in ([channel_id] if channel_id is not None else known)
        ]
    finally:
        archive.close()


def _ordered(archive: Archive, channel_id: str) -> dict[str, str]:
    """What a person did last to the limits of a channel, in words, by operating state."""
    said: dict[str, str] = {}
    for subject in archive.subjects(RecordKind.LIMIT_VERSION):
        for record in archive.records([(RecordKind.LIMIT_VERSION, subject)], *_EVER_NS):
            version = (stored := stored_version(record)).version
            if version.key.channel_id == channel_id:
                words = f"{words_of(stored)}: {version.reason}" if version.by_person else ""
                said[version.key.operating_state] = words
    return said


def _channel_limits(channel_id: str, records: list[Record], ordered: Mapping[str, str]) -> ChannelLimits:
    documents = [(record, _document(record)) for record in records]
    if not documents:
        raise Rejected(f"the limits of {channel_id!r} are damaged: nothing of them can be read")
    newest, document = documents[-1]
    limits = []
    for state, entry in _learned(document).items():
        same = [
            record
            for record, older in documents
            if entry["baseline"] is not None
            and _learned(older).get(state, {}).get("baseline") == entry["baseline"]
        ]
        since = same[0] if same else newest
        limits.append(
            LearnedLimit(
                channel_id=channel_id,
                operating_state=state,
                complete=entry["baseline"] is not None,
                learned_s=float(entry["learned_s"]),
                confirmed_s=float(entry["confirmed_s"]),
                windows=int(entry["windows"]),
                since_ns=since.time_ns,
                time_trusted=since.time_trusted,
                ordered=ordered.get(state, ""),
            )
        )
    return ChannelLimits(channel_id, tuple(limits), document["diagnoser"])


def _document(record: Record) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(record.payload)
        _learned(document)
        document["diagnoser"].get("baselines")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Rejected(f"record {record.key} holds no limits of this release ({error})") from error
    return document


def _learned(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(entry["operating_state"]): entry for entry in document["detector"]["learned"]}


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
