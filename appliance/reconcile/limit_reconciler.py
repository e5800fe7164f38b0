"""Limits of the box held against what it told the centre: after a start, part of the reconciliation.

Duty: asks the centre for the device's own versions of limits, believes what carries the device's own
signature, and has the desk take over what the journal lacks, because it is a backup or was damaged. Once per
start: a running service knows what it said. What people change at the centre comes as signed commands
(`command_desk`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from appliance.errors import Rejected
from appliance.limit_records import version_of
from appliance.limit_versions import LimitChangeError, LimitKey, LimitVersion
from appliance.reconcile.central import text_of
from appliance.reconcile.limits_merge import MergePlan

logger = logging.getLogger(__name__)

PAGE, MOST_PAGES = 500, 50
PART = "limits"


class Asker(Protocol):
    """Questions to the centre (`central.CentralReader`)."""

    async def rows(self, question: str) -> Sequence[Mapping[str, Any]]: ...


class Desk(Protocol):
    """Who has the limits (`LimitDesk`)."""

    async def catch_up(self, told: Sequence[LimitVersion]) -> MergePlan | None: ...


class Hears(Protocol):
    """Who writes the reconciliation report: `report.ReportDraft`."""

    def count(self, figure: str, number: int = 1) -> None: ...

    def tell(self, part: str, subject: str, text: str, old: str = "", new: str = "") -> None: ...


class LimitReconciler:
    """Implements `reconciler.Part`."""

    def __init__(
        self, desk: Desk, asker: Asker, *, device_id: str, is_own: Callable[[str, str], bool]
    ) -> None:
        """`is_own` says whether this device has signed a text."""
        self._desk, self._asker, self._device_id, self._is_own = desk, asker, device_id, is_own
        self._compared = False

    async def reconcile(self, draft: Hears) -> None:
        """Once per start; raises what the reader and the journal raise, and is then run again."""
        if self._compared:
            return
        for told in (await self._versions(draft)).values():
            await self._catch_up(told, draft)
        self._compared = True

    async def _catch_up(self, told: Sequence[LimitVersion], draft: Hears) -> None:
        try:
            plan = await self._desk.catch_up(told)
        except LimitChangeError as error:
            draft.count("conflicts")
            draft.tell(PART, str(told[0].key), f"{error} {error.remedy}")
            logger.warning("limit not taken over limit=%s reason=%s", told[0].key, error)
            return
        if plan is not None:
            draft.count("limits_merged", len(plan.versions))
            draft.count("conflicts", int(plan.conflict))
            draft.tell(PART, str(told[0].key), plan.text)
            logger.info("limit taken over limit=%s text=%s", told[0].key, plan.text)

    async def _versions(self, draft: Hears) -> dict[tuple[str, LimitKey], list[LimitVersion]]:
        """What this device has signed, by machine and limit."""
        found: dict[tuple[str, LimitKey], list[LimitVersion]] = {}
        before_ns, foreign = (1 << 63) - 2, 0
        for _ in range(MOST_PAGES):
            rows = await self._asker.rows(self._question(before_ns))
            for row in rows:
                document, signature = row.get("document"), row.get("document_signature")
                if not isinstance(document, str) or not isinstance(signature, str):
                    continue  # of an older release, or too long to be sent
                if not self._is_own(document, signature):
                    foreign += 1
                    continue
                try:
                    version, _, _ = version_of(document.encode(), "at the centre")
                except Rejected as error:  # signed by a release that wrote them otherwise
                    logger.error("version of a limit at the centre unreadable reason=%s", error)
                    continue
                found.setdefault((version.asset_id, version.key), []).append(version)
            if len(rows) < PAGE:
                break
            before_ns = min(int(row["time"]) for row in rows)
        if foreign:
            draft.count("conflicts")
            draft.tell(PART, self._device_id, f"{foreign:,} rows of limits carry no signature of this device")
            logger.warning("limits at the centre that this device has not signed rows=%d", foreign)
        return found

    def _question(self, before_ns: int) -> str:
        return (
            'SELECT "document", "document_signature" FROM "limit_version" '  # noqa: S608 - quoted
            f'WHERE "device_id" = {text_of(self._device_id)} AND time < {before_ns} '
            f"ORDER BY time DESC LIMIT {PAGE}"
        )
