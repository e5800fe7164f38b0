"""What every table of the configuration has in common.

Duty: the base class of settings, so that a table may stand in a file of its own.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of all settings: nothing unknown is accepted, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
