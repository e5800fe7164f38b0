"""What a protocol is given and what it must do: units with read arrays and sealed labels in, results out.

Duty: the interface between `stethos evaluate` and the protocols of its tasks, and which protocols there are
is `models.evaluation.protocols`' list. Reads no file; names and ids are for printing alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array
from models.evaluation.result import TaskResult
from models.evaluation.sealed import SealedLabel
from models.machine import Machine
from models.vision.inspection import UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class Waveforms:
    """Stretches of samples `(n_samples, n_channels)`, m/s2 where the unit is known (else unit "1").

    One stretch for layout `recording` and `mfpt_mat`; one per recording, burst, snapshot or run else.
    """

    stretches: tuple[Float32Array, ...]
    sample_rate_hz: float  # of the file, where file and manifest differ
    channel_names: tuple[str, ...]
    unit: str
    start_s: tuple[float, ...] | None = None  # of each snapshot, from the first; None where unknown
    speed_percent: float | None = None  # layout `runs`: one unit is one run


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A table of process tags: `values[row, tag]` at `time_s` from the first row; NaN is an empty cell."""

    time_s: npt.NDArray[np.float64]  # (n_rows,), not necessarily even
    values: npt.NDArray[np.float64]  # (n_rows, n_tags)
    tag_names: tuple[str, ...]
    start_utc_ns: int  # of the first row; 0 where the time column holds bare numbers


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture, grey; its mask or boxes are part of the label."""

    values: UInt8Array  # (h, w)


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One unit of a data set: what a decision may rest on, and the sealed label."""

    name: str  # for printing only: nothing may be concluded from it
    layout: str
    content: Waveforms | Rows | Picture
    sealed: SealedLabel
    machine: Machine  # bearing, nominal speed; `asset_id` says nothing
    shaft_hz: float | None = None  # as stated: measured, else nominal
    bearing_channel: int = 0
    group: str = ""  # session, speed or machine; "" where there is none
    stated_unit: str = ""  # what the manifest says of the unit, in full

    @property
    def waveforms(self) -> Waveforms:
        """The content of a vibration layout. Raises TypeError for a table."""
        if not isinstance(self.content, Waveforms):
            raise TypeError(f"{self.name}: layout {self.layout} holds rows, not waveforms")
        return self.content

    @property
    def rows(self) -> Rows:
        """The content of a CSV layout. Raises TypeError for waveforms."""
        if not isinstance(self.content, Rows):
            raise TypeError(f"{self.name}: layout {self.layout} holds waveforms, not rows")
        return self.content

    @property
    def picture(self) -> UInt8Array:
        """The content of a layout of images, `(h, w)`. Raises TypeError for others."""
        if not isinstance(self.content, Picture):
            raise TypeError(f"{self.name}: layout {self.layout} holds no picture")
        return self.content.values


@dataclass(frozen=True, slots=True, eq=False)
class UnreadableUnit:
    """A unit whose file cannot be used. Already said aloud; a protocol counts it where that is right."""

    name: str
    reason: str
    sealed: SealedLabel


@dataclass(frozen=True, slots=True)
class Run:
    """What every protocol shares in one call of `stethos evaluate`."""

    seed: int = 0
    remark: Callable[[str], None] = field(default=lambda text: None)  # a line for the person who reads it
    step: Callable[[], None] = field(default=lambda: None)  # call after each unit: progress
    pictures: bool = False  # whether Timeline, ScoredGroup, EvidencePicture are wanted


class TaskProtocol(Protocol):
    """Judges the units of one data set."""

    tasks: frozenset[str]
    """Values of the manifest's `task` that it serves."""

    def settings(self) -> Mapping[str, Any]:
        """Every figure that its decisions rest on, as JSON values: the settings hash covers them."""
        ...

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """One result per variant: the product's first, then the baselines.

        Units come in the order of the manifest. On each: decide, `unit.sealed.write(variant, decision)` for
        every variant, and only then `unit.sealed.reveal()`. A unit that cannot be judged is a remark.
        """
        ...
