"""`make bench [ONLY=name]`: every figure beside the alternative's, measured interleaved in one run.

A benchmark is a module `bench_<name>.py` with `run() -> list[dict]` of rows with the keys below. Machines are
noisy: quote the ratio, not the figure. Benchmarks are never tests.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

KEYS = ("bench", "figure", "unit", "ours", "peer", "peer_name", "ratio")
FOLDER = Path(__file__).parent
OUT = FOLDER.parents[1] / "build" / "bench.json"


def names() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def main(arguments: list[str]) -> int:
    console = Console(width=150)
    chosen = arguments or names()
    unknown = [name for name in chosen if name not in names()]
    if unknown:
        console.print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names())}")
        return 2
    rows: list[dict[str, Any]] = []
    for name in chosen:
        console.print(f"[dim]{time.strftime('%H:%M:%S')} {name} ...")
        for row in importlib.import_module(f"tests.benchmarks.bench_{name}").run():
            assert set(row) == set(KEYS), f"bench_{name}: a row has the keys {KEYS}, not {tuple(row)}"
            rows.append(row)
    table = Table(*KEYS)
    for row in rows:
        cells = [
            number(row[key]) if key in ("ours", "peer", "ratio") else str(row[key] or "-") for key in KEYS
        ]
        table.add_row(*cells)
    console.print(table)
    OUT.parent.mkdir(exist_ok=True)
    kept = json.loads(OUT.read_text()) if arguments and OUT.is_file() else []
    kept = [row for row in kept if row["bench"] not in {new["bench"] for new in rows}]
    OUT.write_text(json.dumps(kept + rows, indent=1) + "\n")
    console.print(f"written to {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
