"""Keeps the times of a series apart: no two records of one kind and subject bear the same UTC nanosecond.

Duty: the time that a telemetry record is stored with. Times collide when the clock is set back by a whole
number of windows, or at a restart with an older clock; at the centre such a point would overwrite another.
Called by the store, in the writer thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3


class SeriesTimes:
    """The latest time of each series that was written in this life of the process."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._latest_ns: dict[tuple[int, str], int] = {}

    def free(self, kind_code: int, subject: str, time_ns: int) -> int:
        """This time, or the first after it that the series does not have. Raises sqlite3.Error.

        While time goes forward nothing is looked up. A time that was given and then rolled back stays taken
        as far as `_latest_ns` goes, which costs a look, not a nanosecond.
        """
        series = (kind_code, subject)
        latest_ns = self._latest_ns.get(series)
        if latest_ns is None:
            (found,) = self._connection.execute(
                "SELECT max(time_ns) FROM record INDEXED BY record_time WHERE kind=? AND subject=?", series
            ).fetchone()
            latest_ns = time_ns - 1 if found is None else int(found)
        while time_ns <= latest_ns and self._is_taken(series, time_ns):
            time_ns += 1
        self._latest_ns[series] = max(latest_ns, time_ns)
        return time_ns

    def is_ahead(self, kind_code: int, subject: str, time_ns: int) -> bool:
        """Whether the time is after all that the series has, as far as is known without a look."""
        latest_ns = self._latest_ns.get((kind_code, subject))
        return latest_ns is not None and time_ns > latest_ns

    def _is_taken(self, series: tuple[int, str], time_ns: int) -> bool:
        return (
            self._connection.execute(
                "SELECT 1 FROM record INDEXED BY record_time WHERE kind=? AND subject=? AND time_ns=?",
                (*series, time_ns),
            ).fetchone()
            is not None
        )
