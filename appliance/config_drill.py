"""The table [drill]: the outage drill at night, beside the running appliance.

Duty: its settings and the rule for the server's program. Without the table nothing is drilled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from appliance.config_base import Settings


class DrillSettings(Settings):
    nightly_at: Annotated[
        str,
        Field(
            pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
            description="time of day, by the box's own clock and time zone, at which the drill begins",
            examples=["02:30"],
        ),
    ]
    influxd: Annotated[
        Path | None,
        Field(
            description="program of an InfluxDB 1.x that the drill starts for itself; without it power alone",
            examples=["/usr/bin/influxd"],
        ),
    ] = None
    limit_minutes: Annotated[
        int, Field(ge=5, le=240, description="the drill is ended after so many minutes")
    ] = 60


def drill_problems(drill: DrillSettings) -> Iterator[tuple[str, str, str]]:
    """Every broken rule as (key, reason, remedy)."""
    if drill.influxd is not None and not (drill.influxd.is_file() and os.access(drill.influxd, os.X_OK)):
        yield (
            "drill.influxd",
            f"there is no program {drill.influxd}",
            "Install Debian's package influxdb, correct the path, or leave it out: then power cuts alone.",
        )
