"""Counts what each part writes into the log as an error.

Duty: one count per part, bounded. A part is the module that logs, without the package's name, so what an
engineer reads in the count is where to look in the log.
"""

from __future__ import annotations

import logging

PACKAGE = "appliance."
MOST_PARTS = 64
OTHERS = "others"


class ErrorTally(logging.Handler):
    """Put it on the root logger; it writes nothing anywhere."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.counts: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Count one record. The logging package holds this object's lock meanwhile."""
        part = record.name.removeprefix(PACKAGE)
        if part not in self.counts and len(self.counts) >= MOST_PARTS:
            part = OTHERS
        self.counts[part] = self.counts.get(part, 0) + 1

    def __enter__(self) -> ErrorTally:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
