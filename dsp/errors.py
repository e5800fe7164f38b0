"""What `dsp` raises: one base class, so that a caller can tell bad arguments from a defect.

Duty: names only. Bad *samples* (NaN, clipped, constant) are never an error: they have defined results, and
`dsp.sensor_check` says what is wrong with the sensor.
"""

from __future__ import annotations


class DspError(ValueError):
    """An argument that no signal could make right; the message names it and what would be right."""
