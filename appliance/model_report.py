"""What the running service says of its networks, as a file beside their store: for `stethos models`.

Duty: the file's form, written whole or not at all, and read back. No secret is in it, and nothing that a
restart would need.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.errors import Rejected
from appliance.model_network import NetworkMeter
from appliance.model_slot import SlotStanding

FILE = "report.json"
MAX_BYTES = 1 << 20


def report_of(
    slots: Sequence[tuple[SlotStanding, NetworkMeter]], revision: int, time_ns: int, alarms: Mapping[str, str]
) -> dict[str, Any]:
    """JSON-ready; `time_ns` is UTC, `revision` the store's that it follows, `alarms` what is said by slot."""
    told = []
    for standing, meter in slots:
        latency = meter.latency.distribution()
        told.append({
            **asdict(standing),
            "alarm": alarms.get(standing.name, ""),
            "calls": latency.n,
            "latency_p50_s": latency.quantile(0.5),
            "latency_p99_s": latency.quantile(0.99),
            "answered_windows": dict(meter.answers),
            "starts": dict(meter.starts),
            "fallbacks": meter.fallbacks,
        })  # fmt: skip
    return {"revision": revision, "time_ns": time_ns, "slots": told}


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Replaces the report as a whole, not durably: after a power cut there is a new one. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{FILE}.", dir=folder)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(report, file, indent=1)
        Path(name).replace(folder / FILE)
    finally:
        Path(name).unlink(missing_ok=True)


def read_report(folder: Path) -> dict[str, Any] | None:
    """The latest report; None where none was ever written. Raises Rejected for one that cannot be read."""
    try:
        with (folder / FILE).open("rb") as file:
            found: dict[str, Any] = json.loads(file.read(MAX_BYTES))
            if not isinstance(found.get("slots"), list):
                raise ValueError("it names no slots")
            return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise Rejected(f"{folder / FILE}: cannot be read: {error}") from error
