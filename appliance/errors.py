"""The three things that can be wrong at the border; adapters translate every foreign exception."""

from __future__ import annotations


class StethosError(Exception):
    """Base of the appliance's errors."""


class Retryable(StethosError):  # noqa: N818 - the plan's words
    """May work later: back off and try again."""


class Rejected(StethosError):  # noqa: N818
    """This record or request is refused, for the reason given; the rest goes on."""


class Fatal(StethosError):  # noqa: N818
    """Stop the task and tell the operator: what is wrong, what would be right."""
