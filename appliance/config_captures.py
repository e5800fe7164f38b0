"""The table [captures]: how much of the raw waveform is kept around an alarm.

Duty: its settings. On unless `enabled` is false; nothing of it leaves the box (see [object_store]).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.config_base import Settings


class CaptureSettings(Settings):
    enabled: Annotated[
        bool, Field(description="keep raw waveforms around alarms; false keeps none and no memory for them")
    ] = True
    before_s: Annotated[
        float, Field(ge=0, le=120, description="kept from before the alarm became active, s")
    ] = 15.0
    after_s: Annotated[
        float, Field(ge=0, le=120, description="kept from after the alarm became active, s")
    ] = 5.0
    memory_mb: Annotated[
        int,
        Field(
            ge=1,
            le=4096,
            description="memory for the samples before an alarm, of all sensors together, MB; where it is "
            "too little for before_s, less is kept",
        ),
    ] = 64
    most_per_hour: Annotated[
        int,
        Field(
            ge=1,
            le=1000,
            description="captures by alarms of one machine's sensor in an hour at most: one that comes and "
            "goes does not wear out the flash",
        ),
    ] = 20
    budget_mb: Annotated[
        int, Field(ge=8, le=1_000_000, description="room for captured waveforms, MB", examples=[1024])
    ] = 1024
    max_age_days: Annotated[
        float, Field(gt=0, le=3650, description="captured waveforms leave after this time, days")
    ] = 30.0
