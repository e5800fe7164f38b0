"""The table [telemetry]: how the appliance watches itself.

Duty: its settings. Units stand in the key names.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.config_base import Settings


class TelemetrySettings(Settings):
    period_s: Annotated[
        float,
        Field(
            ge=5, le=3600, description="the appliance's own health is recorded this often", examples=[60.0]
        ),
    ] = 60.0
    silent_after_s: Annotated[
        float,
        Field(
            ge=10,
            le=86_400,
            description="a connected source, or one of its channels, that delivers nothing for this long "
            "is an alarm",
        ),
    ] = 60.0
    clock_untrusted_after_s: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="a clock that no time server keeps is an alarm after this time; 0 never, for a box "
            "whose clock somebody else keeps (a container)",
        ),
    ] = 900.0
    disk_alarm_percent: Annotated[
        float, Field(ge=50, le=99, description="a disk that is fuller than this is an alarm")
    ] = 90.0
    flash_endurance_tb: Annotated[
        float,
        Field(
            ge=0,
            le=1e6,
            description="terabytes that the maker allows to be written (TBW), for the projected end of life; "
            "0: not known",
        ),
    ] = 0.0
