"""The limits that a journal holds for a channel, and how old they are.

Duty: read LEARNED_LIMIT and LIMIT_VERSION records from beside a running service and say which limits were in
force at a time, what they rested on and how old they were. Changes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import Rejected
from appliance.journal.archive import Archive
from appliance.journal.record import Record, RecordKind
from appliance.limit_records import stored_version
from appliance.limit_versions import is_first_baseline
from appliance.station_limits import words_of

_EVER_NS = (0, 1 << 62)


@dataclass(frozen=True, slots=True)
class LimitInForce:
    """The version of a limit that was in force: the newest of that time."""

    version: int
    action: str
    actor: str
    said: str  # "limit raised to 130 % by anna: new coupling"
    by_person: bool
    factor: float  # times the learned limit
    locked: bool
    provisional: bool
    learned: bool  # False: it was being learned anew
    rests_on_s: float
    windows: int
    since_ns: int  # UTC
    baseline_since_ns: int  # UTC of the oldest version that is kept with this baseline
    time_trusted: bool

    def age_s(self, now_ns: int) -> float:
        """Seconds that it has been in force; not below 0."""
        return max(0.0, (now_ns - self.since_ns) / 1e9)


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
    in_force: LimitInForce | None = None  # None: the journal holds no version of it

    def age_s(self, now_ns: int) -> float:
        """Seconds since then; not below 0."""
        return max(0.0, (now_ns - self.since_ns) / 1e9)


@dataclass(frozen=True, slots=True)
class FaultLineLimit:
    """The limit from which on a fault's lines are called, and since when the journal knows it."""

    factor: float  # times the usual limit; 1.0 unless healthy running settled it higher
    since_ns: int  # UTC of the oldest record since which it has stood there
    time_trusted: bool

    def age_s(self, now_ns: int) -> float:
        """Seconds since then; not below 0. It may be older than what the journal still holds."""
        return max(0.0, (now_ns - self.since_ns) / 1e9)

    def as_json(self, now_ns: int) -> dict[str, Any]:
        """As `explain --json` prints it."""
        return {
            "factor": self.factor,
            "age_s": round(self.age_s(now_ns)),
            "age_trusted": self.time_trusted,
        }


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """All that a journal holds of one channel: limits by operating state, and the lines' baselines."""

    channel_id: str
    limits: tuple[LearnedLimit, ...]
    diagnoser: Mapping[str, Any]  # a Diagnoser's state
    fault_lines: FaultLineLimit | None = None  # None: the journal holds none

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


def read_limits(state_dir: Path, channel_id: str | None, at_ns: int | None = None) -> list[ChannelLimits]:
    """Limits of one channel, or of all, in a state folder: those in force at `at_ns` (UTC; None: now).

    Raises Rejected, Fatal.
    """
    until_ns = _EVER_NS[1] if at_ns is None else at_ns
    archive = Archive(state_dir / "journal")
    try:
        # of vibration: a subject of process values names its machine, too
        known = [one for one in archive.subjects(RecordKind.LEARNED_LIMIT) if "/" not in one]
        if channel_id is not None and channel_id not in known:
            raise Rejected(f"no limits of {channel_id!r} in {state_dir}: it holds those of {_listed(known)}")
        versions = _in_force(archive, until_ns)
        found = []
        for one in [channel_id] if channel_id is not None else known:
            records = archive.records([(RecordKind.LEARNED_LIMIT, one)], _EVER_NS[0], until_ns)
            own = {state: version for (channel, state), version in versions.items() if channel == one}
            found.append(_channel_limits(one, list(records), own, then=at_ns is not None))
        return found
    finally:
        archive.close()


def _in_force(archive: Archive, until_ns: int) -> dict[tuple[str, str], LimitInForce]:
    """The newest version of each limit that was made by then, by channel and operating state.

    Raises Rejected for a record that holds no version.
    """
    found: dict[tuple[str, str], LimitInForce] = {}
    for subject in archive.subjects(RecordKind.LIMIT_VERSION):
        learned_ns: dict[str, int] = {}  # by baseline
        for record in archive.records([(RecordKind.LIMIT_VERSION, subject)], _EVER_NS[0], until_ns):
            version = (stored := stored_version(record)).version
            if is_first_baseline(version.key):
                continue
            learned_ns.setdefault(version.baseline, record.time_ns)
            key = (version.key.channel_id, version.key.operating_state)
            if key not in found or found[key].version <= version.version:
                found[key] = LimitInForce(
                    version=version.version,
                    action=version.action.value,
                    actor=version.actor,
                    said=f"{words_of(stored)}: {version.reason}" if version.by_person else words_of(stored),
                    by_person=version.by_person,
                    factor=version.factor,
                    locked=version.locked,
                    provisional=version.provisional,
                    learned=bool(version.baseline),
                    rests_on_s=version.rests_on_s,
                    windows=version.windows,
                    since_ns=record.time_ns,
                    baseline_since_ns=learned_ns[version.baseline],
                    time_trusted=record.time_trusted,
                )
    return found


def _channel_limits(
    channel_id: str, records: list[Record], versions: Mapping[str, LimitInForce], *, then: bool
) -> ChannelLimits:
    documents = [(record, _document(record)) for record in records]
    if not documents and not (then and versions):
        if then:
            raise Rejected(f"the journal holds nothing that was learned of {channel_id!r} by then")
        raise Rejected(f"the limits of {channel_id!r} are damaged: nothing of them can be read")
    newest, document = documents[-1] if documents else (None, {"detector": {"learned": []}, "diagnoser": {}})
    limits = []
    for state, entry in _learned(document).items():
        same = [
            record
            for record, older in documents
            if entry["baseline"] is not None
            and _learned(older).get(state, {}).get("baseline") == entry["baseline"]
        ]
        since = same[0] if same else newest
        assert since is not None
        version = versions.get(state)
        # the records of a baseline leave the journal, but for the newest; its version stays
        kept_ns = since.time_ns if version is None or not version.learned else version.baseline_since_ns
        limits.append(
            LearnedLimit(
                channel_id=channel_id,
                operating_state=state,
                complete=entry["baseline"] is not None,
                learned_s=float(entry["learned_s"]),
                confirmed_s=float(entry["confirmed_s"]),
                windows=int(entry["windows"]),
                since_ns=min(since.time_ns, kept_ns),
                time_trusted=since.time_trusted,
                in_force=version,
            )
        )
    known = {limit.operating_state for limit in limits}
    limits += [
        LearnedLimit(
            channel_id=channel_id,
            operating_state=state,
            complete=version.learned,
            learned_s=version.rests_on_s,
            confirmed_s=0.0,
            windows=version.windows,
            since_ns=version.baseline_since_ns,
            time_trusted=version.time_trusted,
            in_force=version,
        )
        for state, version in versions.items()
        if state not in known
    ]
    return ChannelLimits(channel_id, tuple(limits), document["diagnoser"], _fault_lines(documents))


def _fault_lines(documents: list[tuple[Record, dict[str, Any]]]) -> FaultLineLimit | None:
    """The settled limit of the newest document; None where fault lines were not watched yet."""
    factor = _fault_factor(documents[-1][1]) if documents else None
    if factor is None:
        return None
    oldest = documents[-1][0]
    for record, document in reversed(documents):
        if _fault_factor(document) != factor:
            break
        oldest = record
    return FaultLineLimit(factor, oldest.time_ns, oldest.time_trusted)


def _fault_factor(document: Mapping[str, Any]) -> float | None:
    stored = (document.get("watch") or {}).get("fault_limit")
    return None if stored is None else float(stored["factor"])


def _document(record: Record) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(record.payload)
        _learned(document)
        document["diagnoser"].get("baselines")
        factor = _fault_factor(document)
        if factor is not None and not (math.isfinite(factor) and factor >= 1.0):
            raise ValueError(f"the limit of fault lines stands at {factor} times the usual one")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Rejected(f"record {record.key} holds no limits of this release ({error})") from error
    return document


def _learned(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(entry["operating_state"]): entry for entry in document["detector"]["learned"]}


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
