"""Webhooks that go out before their commit, because the disk is broken: which, and whether they arrived.

Duty: a broken disk must not silence a real alarm, and the commit that comes once it is well again must not
tell it a second time. Pure; holds ids and numbers, no messages.

A message in a hurry has no sequence of the journal yet. It gets a provisional one: above everything that is
committed or went before it, and not above the one that its own commit will give it. So in the order of
sequences it stands where it belongs, and what the receiver sees of an alarm grows with every transition.
"""

from __future__ import annotations

MOST = 2_000  # in memory; what goes beyond waits for its commit


class EarlyMessages:
    """The messages of one receiver that went ahead of their commit."""

    def __init__(self) -> None:
        self._arrived: dict[str, bool] = {}  # by message id, oldest first
        self._newest = 0

    def __len__(self) -> int:
        return len(self._arrived)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._arrived

    def admit(self, message_id: str) -> bool:
        """Whether one more may go ahead. Of too many, one that arrived long ago is forgotten: should its
        commit still come, the receiver sees its id twice."""
        if len(self._arrived) >= MOST:
            oldest = next((one for one, arrived in self._arrived.items() if arrived), None)
            if oldest is None:
                return False
            del self._arrived[oldest]
        self._arrived[message_id] = False
        return True

    def next_sequence(self, last_committed: int) -> int:
        """The provisional sequence of the next one; `last_committed` is the journal's newest."""
        self._newest = max(self._newest, last_committed) + 1
        return self._newest

    def arrived(self, message_id: str) -> None:
        """The receiver has taken it."""
        self._arrived[message_id] = True

    def given_up(self, message_id: str) -> None:
        """It was tried for too long: its commit, if it comes, begins anew."""
        self._arrived.pop(message_id, None)

    def committed(self, message_id: str) -> bool | None:
        """The journal has it now. True: it has arrived; False: it still waits; None: it never went ahead."""
        return self._arrived.pop(message_id, None)
