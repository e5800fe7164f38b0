"""What a caller of the journal can do wrong, and what the journal cannot do."""

from __future__ import annotations

from appliance.errors import Fatal, Rejected


class JournalRejected(Rejected):
    """This record or query is refused: the message names it and says what would be right."""


class JournalLocked(Fatal):
    """Another process has this journal open: two writers would spoil it."""
