"""How long the courier waits for a centre that is away: no longer than until it is there again.

Duty: one wait. A back-off alone would let the first alarm after a long outage wait for its cap, a minute; a
probe of some hundred bytes ends the wait within seconds. A peer that answers and refuses is not away, and is
never probed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PROBE_EVERY_S = 0.6


async def wait_until_answers(
    answers: Callable[[], Awaitable[bool]], wait_s: float, chance: Callable[[], float]
) -> None:
    """Wait for `wait_s`, or until the peer answers a probe after it had left one without an answer.

    One that answers all probes, and yet no delivery, is waited for as long as the back-off says.
    """
    end_s, was_away = time.monotonic() + wait_s, False
    while (left_s := end_s - time.monotonic()) > 0.0:
        pause_s = PROBE_EVERY_S * (0.5 + chance())
        await asyncio.sleep(min(left_s, pause_s))
        if left_s <= pause_s:
            return
        if not await answers():
            was_away = True
        elif was_away:
            return
