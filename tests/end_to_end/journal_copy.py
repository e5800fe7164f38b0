"""A copy of a journal as a dead appliance left it, to look into without changing what the next start finds.

Duty: copy, check SQLite's integrity, read the gap ledger. The appliance must not be running.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from appliance.journal.ledger import gaps_between
from appliance.journal.record import StoredGap
from appliance.journal.store import FILE_NAME

FAR_NS = 1 << 62


class JournalCopy:
    """A journal's folder, copied."""

    def __init__(self, journal_dir: Path, into: Path) -> None:
        shutil.copytree(journal_dir, into)
        self.path = into / FILE_NAME

    def integrity(self) -> str:
        """What SQLite says of the whole file, after it has recovered its log: "ok"."""
        with closing(sqlite3.connect(self.path)) as connection:
            return "\n".join(str(row[0]) for row in connection.execute("PRAGMA integrity_check"))

    def gaps(self, channel_id: str) -> list[StoredGap]:
        """The whole gap ledger of a channel."""
        with closing(sqlite3.connect(self.path)) as connection:
            return gaps_between(connection, channel_id, 0, FAR_NS)
