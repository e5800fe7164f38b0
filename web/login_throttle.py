"""How often a password may be guessed. Pure: time is an argument, nothing is stored or awaited.

Failures are counted per address and per user; after a few free ones each further one doubles the wait. An
attempt during a wait is refused and does not lengthen it. Nobody can be kept out by another's guessing:
- a browser that has signed in as this user before (it holds a device cookie) has a count of its own;
- the wait on a user's name holds only for addresses that have failed themselves.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

FREE_FAILURES = 5
LONGEST_WAIT_S = 900.0
LONGEST_USER_WAIT_S = 30.0
FORGET_AFTER_S = 3600.0
MOST_KEYS = 4096

Key = tuple[str, ...]


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 host may roam in."""
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


@dataclass(slots=True)
class _Count:
    failures: int = 0
    last_s: float = 0.0


@dataclass(slots=True)
class LoginThrottle:
    """Counts of failed attempts; bounded, the longest quiet ones are forgotten first."""

    _counts: OrderedDict[Key, _Count] = field(default_factory=OrderedDict)

    def begin(self, user: str, network: str, device: str | None, now_s: float) -> float:
        """Seconds to wait before this attempt; 0.0 admits it and counts it as failed until `succeeded`.

        Counted in advance, so that many attempts at once are no way around the count.
        """
        keys = self._keys(user, network, device)
        for key in keys:
            if key in self._counts and now_s - self._counts[key].last_s > FORGET_AFTER_S:
                del self._counts[key]
        wait_s = self._wait_s(keys[0], LONGEST_WAIT_S, now_s)
        if len(keys) > 1 and keys[0] in self._counts:
            wait_s = max(wait_s, self._wait_s(keys[1], LONGEST_USER_WAIT_S, now_s))
        if wait_s > 0.0:
            return wait_s
        for key in keys:
            count = self._counts.setdefault(key, _Count())
            count.failures += 1
            count.last_s = now_s
            self._counts.move_to_end(key)
        while len(self._counts) > MOST_KEYS:
            self._counts.popitem(last=False)
        return 0.0

    def succeeded(self, user: str, network: str, device: str | None) -> None:
        """The attempt was right: its counts start afresh."""
        for key in self._keys(user, network, device):
            self._counts.pop(key, None)

    def withdrawn(self, user: str, network: str, device: str | None) -> None:
        """The attempt was not judged after all (the appliance was busy): it does not count."""
        for key in self._keys(user, network, device):
            count = self._counts.get(key)
            if count is not None and count.failures > 1:
                count.failures -= 1
            else:
                self._counts.pop(key, None)

    def _keys(self, user: str, network: str, device: str | None) -> tuple[Key, ...]:
        if device is not None:
            return (("device", device),)
        return (("address", network), ("user", user))

    def _wait_s(self, key: Key, longest_s: float, now_s: float) -> float:
        count = self._counts.get(key)
        if count is None or count.failures < FREE_FAILURES:
            return 0.0
        delay_s = min(longest_s, 2.0 ** min(count.failures - FREE_FAILURES, 30))
        return max(0.0, count.last_s + delay_s - now_s)
