"""Whether the journal can commit, and who wants to know.

Duty: one flag, its reason, and the calls at every change, in the event loop. Measures nothing itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)

DurabilityCallback = Callable[[bool, str], None]


class Durability:
    """The state "journal durable / not durable", watched."""

    def __init__(self) -> None:
        self.durable = True
        self.reason = ""
        self._watchers: list[DurabilityCallback] = []

    def watch(self, callback: DurabilityCallback) -> None:
        """Call back at every change; at once if the journal is not durable now."""
        self._watchers.append(callback)
        if not self.durable:
            callback(False, self.reason)

    def judge(self, failure: Exception | None, waiting_s: float, limit_s: float) -> None:
        """Decide by what the disk does: `failure` of the latest attempt, and how long something has waited.

        Not durable beyond `limit_s`; durable again once an attempt went well and nothing has waited long.
        """
        if waiting_s > limit_s:
            self.refused(failure)
        elif not self.durable and failure is None and waiting_s < limit_s / 4:
            self.set(True, "")

    def refused(self, failure: Exception | None) -> None:
        """The disk did not take what it was offered in time."""
        self.set(False, "the disk does not answer" if failure is None else f"the disk refuses: {failure}")

    def set(self, durable: bool, reason: str) -> None:
        self.reason = reason
        if durable is self.durable:
            return
        self.durable = durable
        if durable:
            _log.warning("journal durable again")
        else:
            _log.error("journal not durable reason=%s", reason)
        for callback in list(self._watchers):
            try:
                callback(durable, reason)
            except Exception:
                # One watcher's mistake must not keep the others from raising the alarm.
                _log.exception("a watcher of the journal's durability failed")
