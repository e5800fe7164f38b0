"""Levels that a healthy machine shows at its lines, and since when a line has been above them.

Duty: running means per operating state and line, JSON-ready; and how long a line has been rising.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import ModelStateError


@dataclass(frozen=True, slots=True)
class LevelBaseline:
    """Level of one line in one operating state while the machine was taken as healthy."""

    count: int
    mean_db: float
    largest_db: float

    def with_level(self, level_db: float) -> LevelBaseline:
        """This baseline and one more level."""
        count = self.count + 1
        mean_db = self.mean_db + (level_db - self.mean_db) / count
        return LevelBaseline(count, mean_db, max(self.largest_db, level_db))


class LineBaselines:
    """Baselines of one channel: operating state -> line -> level."""

    def __init__(self, needed: int) -> None:
        self._needed = needed
        self._states: dict[str, dict[str, LevelBaseline]] = {}

    def learn(self, operating_state: str, levels_db: Mapping[str, float]) -> None:
        """Take one record's levels in; lines that could not be measured (NaN) are left out."""
        lines = self._states.setdefault(operating_state, {})
        for key, level_db in levels_db.items():
            if math.isfinite(level_db):
                known = lines.get(key) or LevelBaseline(0, 0.0, -math.inf)
                lines[key] = known.with_level(level_db)

    def rises(self, operating_state: str, levels_db: Mapping[str, float]) -> dict[str, float]:
        """How far each line is over its baseline, dB; lines without a complete baseline are left out.

        The largest level that healthy running showed, but for 3 dB, is part of the baseline: a line that
        comes and goes on a healthy machine has not risen when it comes again.
        """
        lines = self._states.get(operating_state, {})
        rises = {}
        for key, level_db in levels_db.items():
            known = lines.get(key)
            if known is not None and known.count >= self._needed and math.isfinite(level_db):
                rises[key] = level_db - max(known.mean_db, known.largest_db - 3.0)
        return rises

    def state(self) -> dict[str, Any]:
        """Everything learned, JSON-ready."""
        return {
            operating_state: {
                key: [known.count, round(known.mean_db, 3), round(known.largest_db, 3)]
                for key, known in lines.items()
            }
            for operating_state, lines in self._states.items()
        }

    def restore(self, state: Any) -> None:
        """Take over what `state` gave. Raises ModelStateError, and keeps what it had, if it is not that."""
        try:
            restored = {
                str(operating_state): {
                    str(key): LevelBaseline(int(count), float(mean_db), float(largest_db))
                    for key, (count, mean_db, largest_db) in lines.items()
                }
                for operating_state, lines in state.items()
            }
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelStateError(
                f"line baselines are not state -> line -> [count, mean, largest]: {error}"
            ) from error
        for lines in restored.values():
            for key, known in lines.items():
                if known.count < 1 or not math.isfinite(known.mean_db) or not math.isfinite(known.largest_db):
                    raise ModelStateError(f"line baseline of {key!r} is {known}; finite levels are needed")
        self._states = restored


class RisingSince:
    """Since when each line has been above where it counts as rising."""

    def __init__(self) -> None:
        self._since_ns: dict[str, int] = {}

    def update(self, risen: Collection[str], now_ns: int) -> None:
        """Note which lines are risen now: every other one is not, or nobody can tell."""
        self._since_ns = {key: self._since_ns.get(key, now_ns) for key in risen}

    def since_ns(self, key: str) -> int | None:
        """Since when it has been risen without a break; None if it is not."""
        return self._since_ns.get(key)

    def resume(self, key: str, since_ns: int) -> None:
        """After a restart: a line that was risen before still is, unless its next record says otherwise."""
        self._since_ns[key] = since_ns
