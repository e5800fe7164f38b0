"""Alarms of the box held against what it told the centre: after a start, part of the reconciliation.

Duty: asks the centre for the device's own alarms, believes what carries the device's own signature, and has
the desk take over what the journal lacks, because it is a backup or was damaged. Once per start: a running
service knows what it said. What people do at the centre comes as signed commands (`command_desk`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from appliance.errors import Rejected
from appliance.reconcile.central import name_of, text_of
from appliance.reconcile.central_alarms import CentralAlarm, alarms_of_documents
from appliance.reconcile.report import ReportDraft

logger = logging.getLogger(__name__)

ACTS = "stethos-acts-1"  # what the device's signature is under
PAGE, MOST_PAGES = 2_000, 50
PART = "alarms"


class Asker(Protocol):
    """Questions to the centre (`central.CentralReader`)."""

    async def rows(self, question: str) -> Sequence[Mapping[str, Any]]: ...


class Desk(Protocol):
    """Who has the alarms (`AlarmDesk`)."""

    async def catch_up(self, told: CentralAlarm) -> bool: ...


class AlarmReconciler:
    """Implements `reconciler.Part`."""

    def __init__(
        self,
        desk: Desk,
        asker: Asker,
        *,
        device_id: str,
        is_own: Callable[[str, str], bool],
        days: float,
        command_counts: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`is_own` says whether this device has signed a text; `days` is how far back is looked.
        `command_counts`: outcomes of commands so far, for the report."""
        self._desk, self._asker, self._device_id, self._is_own = desk, asker, device_id, is_own
        self._days, self._command_counts = days, command_counts
        self._told = dict(command_counts())
        self._compared = False

    async def reconcile(self, draft: ReportDraft) -> None:
        """Once per start; raises what the reader raises, and is then run again."""
        self._tell_commands(draft)
        if self._compared:
            return
        documents = await self._documents(draft)
        for told in self._alarms(documents):
            if await self._desk.catch_up(told):
                draft.count("alarms_merged")
                standing = told.standing
                text = (
                    f"activation {standing.activation.number} was told to the centre before and is not in"
                    f" this journal: taken over, acknowledged by {standing.acknowledged_by or 'nobody'}"
                )
                draft.tell(PART, standing.alarm_id, text)
        self._compared = True

    async def _documents(self, draft: ReportDraft) -> list[str]:
        """What this device has signed, each once; the newest first."""
        since_ns = draft.began_ns - round(self._days * 86_400e9)
        before_ns = (1 << 63) - 2
        found: dict[str, None] = {}
        foreign = 0
        for _ in range(MOST_PAGES):
            rows = await self._asker.rows(self._question(since_ns, before_ns))
            for row in rows:
                document, signature = row.get("acts"), row.get("acts_signature")
                if not isinstance(document, str) or not isinstance(signature, str) or document in found:
                    continue
                if self._is_own(document, signature):
                    found[document] = None
                else:
                    foreign += 1
            if len(rows) < PAGE:
                break
            before_ns = min(int(row["time"]) for row in rows)
        if foreign:
            draft.count("conflicts")
            draft.tell(PART, self._device_id, f"{foreign:,} rows of alarms carry no signature of this device")
            logger.warning("alarms at the centre that this device has not signed rows=%d", foreign)
        return list(found)

    def _alarms(self, documents: Sequence[str]) -> list[CentralAlarm]:
        try:
            return alarms_of_documents(documents)
        except Rejected as error:  # signed by a release that wrote them otherwise
            logger.error("alarms of the centre cannot be read reason=%s", error)
            return []

    def _tell_commands(self, draft: ReportDraft) -> None:
        """Commands of the centre since the last report."""
        counts = dict(self._command_counts())
        done = counts.get("done", 0) - self._told.get("done", 0)
        conflicts = counts.get("conflict", 0) - self._told.get("conflict", 0)
        refused = counts.get("refused", 0) - self._told.get("refused", 0)
        self._told = counts
        if done or conflicts or refused:
            draft.count("alarms_merged", done)
            draft.count("conflicts", conflicts)
            text = f"{done} carried out, {conflicts} in conflict, {refused} refused: see command_result"
            draft.tell(PART, "commands of the centre", text)

    def _question(self, since_ns: int, before_ns: int) -> str:
        fields = f"{name_of('acts')}, {name_of('acts_signature')}"
        return (
            f'SELECT {fields} FROM "alarm" WHERE "device_id" = {text_of(self._device_id)} '  # noqa: S608
            f"AND time >= {since_ns} AND time < {before_ns} ORDER BY time DESC LIMIT {PAGE}"
        )
