"""What can go wrong while the centre is asked."""

from __future__ import annotations

from enum import StrEnum

from appliance.errors import Retryable, StethosError


class ReconcileError(StethosError):
    """Base of this package's errors."""


class CentralUnavailable(ReconcileError, Retryable):  # noqa: N818 - the plan's words
    """No answer, or one that says: later. `retry_after_s` is the server's own wish, if stated."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refusal(StrEnum):
    """Why the centre does not answer a question."""

    ACCESS = "access"  # token, user or password, or their right to read
    MISSING = "missing"  # there is no such database, bucket or retention policy
    ADDRESS = "address"  # what answers is not an InfluxDB that knows /query
    QUESTION = "question"  # it does not take this question


class CentralRefused(ReconcileError):  # noqa: N818
    """The centre answers, and gives nothing. `reason` holds its own words."""

    def __init__(self, refusal: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal
        self.reason = reason


class BudgetSpent(ReconcileError):  # noqa: N818
    """Today's budget of bytes for a class of records is used up: the rest may go tomorrow."""


class AnswerTooLarge(ReconcileError):  # noqa: N818
    """The answer is longer than may be held, or the server says that it left some of it out: ask for less."""
