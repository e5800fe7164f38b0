"""The load of the power drill on stores that never flush: what the drill must find out."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import sys
from pathlib import Path
from typing import Any

from appliance.drill.power_load import load


class Careless(sqlite3.Connection):
    """Whatever is asked for, `synchronous` is OFF."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql.startswith("PRAGMA synchronous="):
            sql = "PRAGMA synchronous=OFF"
        return super().execute(sql, *parameters)


if __name__ == "__main__":
    setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Careless))  # noqa: B010
    asyncio.run(load(Path(sys.argv[1]), int(sys.argv[2])))
