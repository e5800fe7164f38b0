"""Ends a service that could not know or keep all that it should, once it can.

Duty: wait until a disk that refused at the start takes writes, and all that was held is on it. The service
then ends, and systemd starts it: every part reads what is stored as at any start, instead of each having a
second way of learning it late. Does not look at the disk itself: the journal's writer does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from appliance.errors import Fatal
from appliance.journal.journal import Journal

LOOK_S = 0.5


async def once_durable(
    journal: Journal, before: Callable[[], None], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Wait for the disk, call `before`, then raise Fatal: an essential task that ends the service."""
    while not (journal.durable and journal.waiting == 0):
        await sleep(LOOK_S)
    before()
    raise Fatal("the disk takes writes again: the service starts anew, with all that is stored on it")
