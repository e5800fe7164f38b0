"""What one channel's sensor showed while its baseline was learned, and whether it still does.

Duty: keep figures of trusted windows per operating state, and hand each later window to the comparison. Which
windows teach is the caller's word; what a difference means stands in `dsp.sensor_reference`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsp.framing import Window
from dsp.sensor_check import SensorCheck
from dsp.sensor_reference import (
    SensorFigures,
    SensorReference,
    check_against_reference,
    check_hum,
    sensor_figures,
    sensor_reference,
)
from models.errors import ModelStateError

KEPT_FIGURES = (
    64  # per operating state; when full, every second is dropped and the next ones come half as often
)


@dataclass(frozen=True, slots=True)
class LatestFigures:
    """What the newest compared window showed, and what is usual in its operating state."""

    start_ns: int
    figures: SensorFigures
    reference: SensorReference | None


class SensorBaseline:
    """Figures of one channel's trusted windows, per operating state."""

    def __init__(self) -> None:
        self.latest: LatestFigures | None = None
        self._figures: dict[str, list[SensorFigures]] = {}
        self._strides: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        self._references: dict[str, SensorReference | None] = {}

    def check(
        self, window: Window, found: SensorCheck, label: str, shaft_hz: float | None, *, learning: bool
    ) -> SensorCheck:
        """The verdict on a window that `found` calls usable, in the operating state `label`.

        While `learning` it teaches instead of being compared. Hum is looked for where the speed is known.
        """
        if shaft_hz is not None:
            hum = check_hum(window, shaft_hz)
            if not hum.usable:
                return hum
        figures = sensor_figures(window)
        if figures is None:
            return found
        if learning:
            self._learn(figures, label)
            return found
        if label not in self._references:
            self._references[label] = sensor_reference(self._figures.get(label, []))
        reference = self._references[label]
        self.latest = LatestFigures(window.start_ns, figures, reference)
        return found if reference is None else check_against_reference(window, figures, reference)

    def _learn(self, figures: SensorFigures, label: str) -> None:
        passed = self._passed.get(label, 0)
        self._passed[label] = passed + 1
        stride = self._strides.setdefault(label, 1)
        if passed % stride:
            return
        kept = self._figures.setdefault(label, [])
        kept.append(figures)
        if len(kept) > KEPT_FIGURES:
            self._figures[label] = kept[::2]
            self._strides[label] = 2 * stride
        self._references.pop(label, None)

    def state(self) -> dict[str, Any]:
        """What was learned, JSON-ready: rows of mean, RMS, low and floor level; null where not stated."""
        return {
            label: [
                [_stated(value) for value in (one.mean, one.rms, one.low_db, one.floor_db)] for one in kept
            ]
            for label, kept in self._figures.items()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave. Raises ModelStateError for anything else."""
        try:
            figures = {
                str(label): [
                    SensorFigures(*(math.nan if value is None else float(value) for value in row))
                    for row in rows
                ]
                for label, rows in state.items()
            }
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelStateError(f"sensor baseline cannot be read: {error}") from error
        self._figures = figures
        self._strides, self._passed, self._references = {}, {}, {}


def _stated(value: float) -> float | None:
    return float(f"{value:.7g}") if math.isfinite(value) else None
