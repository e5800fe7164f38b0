"""Units made here for the sequential protocols: what is in them is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.evaluation.protocol import Rows, Unit, Waveforms
from models.evaluation.sealed import RevealedLabel, SealedLabel
from models.machine import Machine


def table(
    values: np.ndarray,
    label: Mapping[str, Any],
    columns: Mapping[str, np.ndarray] | None = None,
    *,
    step_s: float = 1.0,
    name: str = "unit",
) -> Unit:
    """Rows of process tags, one each `step_s`."""
    rows = Rows(
        time_s=np.arange(len(values)) * step_s,
        values=np.asarray(values, dtype=np.float64),
        tag_names=tuple(f"tag {i}" for i in range(values.shape[1])),
        start_utc_ns=1_700_000_000_000_000_000,
    )
    sealed = SealedLabel(RevealedLabel(label, columns))
    return Unit(name, "csv", rows, sealed, Machine("m", "m"))


def snapshots(stretches: list[np.ndarray], rate_hz: float, step_s: float = 60.0) -> Unit:
    """A run of snapshots of two channels, `step_s` apart."""
    content = Waveforms(
        stretches=tuple(stretches),
        sample_rate_hz=rate_hz,
        channel_names=("a", "b"),
        unit="m/s2",
        start_s=tuple(i * step_s for i in range(len(stretches))),
    )
    sealed = SealedLabel(RevealedLabel({"state": "run-to-failure"}))
    return Unit("run", "snapshots", content, sealed, Machine("m", "m"))
