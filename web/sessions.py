"""Who is signed in. Pure: time is an argument; `auth.py` reads clocks and keeps the file.

A session's token is 256 random bits that only its cookie holds; the appliance keeps the token's SHA-256, so a
copy of the file signs nobody in. The CSRF token is derived from the session's token and kept nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

IDLE_S = 12 * 3600.0
ABSOLUTE_S = 7 * 24 * 3600.0
MOST_PER_USER = 64


def new_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What the appliance keeps of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def csrf_token_of(token: str) -> str:
    """The token that every state-changing request of the session must carry in `X-CSRF-Token`."""
    return hmac.new(token.encode("utf-8", "surrogateescape"), b"stethos csrf 1", hashlib.sha256).hexdigest()


def csrf_token_is_right(token: str, given: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(csrf_token_of(token).encode(), given.encode("utf-8", "replace"))


def new_device_cookie(key: bytes, user: str) -> str:
    """A cookie that tells later that this browser has signed in as `user` before; it signs nobody in."""
    device = secrets.token_hex(16)
    return f"{device}.{_device_mark(key, user, device)}"


def device_of(key: bytes, user: str, cookie: str) -> str | None:
    """The device that the cookie names, if it is one that this appliance gave out for `user`."""
    device, _, mark = cookie.partition(".")
    right = hmac.compare_digest(_device_mark(key, user, device).encode(), mark.encode("utf-8", "replace"))
    return device if right else None


def _device_mark(key: bytes, user: str, device: str) -> str:
    said = f"{device}/{user}".encode("utf-8", "surrogateescape")
    return hmac.new(key, said, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Session:
    """One sign-in. Times are monotonic seconds of this process; those before its start are negative."""

    digest: str
    user: str
    created_s: float
    seen_s: float

    def is_live(self, now_s: float) -> bool:
        return now_s - self.seen_s < IDLE_S and now_s - self.created_s < ABSOLUTE_S


class SessionTable:
    """The live sessions, by digest."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, token: str, user: str, now_s: float) -> Session:
        """A new session; of too many of one user, the one unused for longest ends."""
        self.drop_ended(now_s)
        mine = sorted((s for s in self._sessions.values() if s.user == user), key=lambda s: s.seen_s)
        for session in mine[: max(0, len(mine) - MOST_PER_USER + 1)]:
            del self._sessions[session.digest]
        session = Session(digest_of(token), user, now_s, now_s)
        self._sessions[session.digest] = session
        return session

    def find(self, digest: str, now_s: float) -> Session | None:
        """The session if it is live; an ended one is forgotten."""
        session = self._sessions.get(digest)
        if session is not None and not session.is_live(now_s):
            del self._sessions[digest]
            return None
        return session

    def end(self, digest: str) -> None:
        self._sessions.pop(digest, None)

    def end_all_of(self, user: str) -> list[Session]:
        """Ends every session of the user; what they were."""
        ended = [s for s in self._sessions.values() if s.user == user]
        for session in ended:
            del self._sessions[session.digest]
        return ended

    def put_back(self, sessions: list[Session]) -> None:
        """Undoes `end_all_of`."""
        self._sessions.update({session.digest: session for session in sessions})

    def drop_ended(self, now_s: float) -> None:
        for session in [s for s in self._sessions.values() if not s.is_live(now_s)]:
            del self._sessions[session.digest]

    def dump(self, now_s: float) -> list[dict[str, Any]]:
        """JSON-ready: ages instead of times, since a monotonic time means nothing to the next process."""
        self.drop_ended(now_s)
        return [
            {"digest": s.digest, "user": s.user, "age_s": now_s - s.created_s, "idle_s": now_s - s.seen_s}
            for s in self._sessions.values()
        ]

    def load(self, dumped: list[dict[str, Any]], elapsed_s: float, now_s: float) -> None:
        """Takes up what `dump` gave, `elapsed_s` ago; sessions that ended meanwhile are left out."""
        for item in dumped:
            session = Session(
                str(item["digest"]),
                str(item["user"]),
                now_s - elapsed_s - float(item["age_s"]),
                now_s - elapsed_s - float(item["idle_s"]),
            )
            self._sessions[session.digest] = session
        self.drop_ended(now_s)
