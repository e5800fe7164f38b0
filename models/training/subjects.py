"""What a bundle is quantised and judged by: the rows, or the pictures, that it carries.

Duty: the same questions for both: what to calibrate int8 with, what to time a call with, what a runtime makes
of the items that judge, and the limit that follows. Makes no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.bundle import Bundle
from models.errors import BundleError
from models.network_score import NetworkSpec, prepare
from models.training import picture_material
from models.training.judging import Judged, Quality, calibration_items, fitted_limit, judged_items, quality_of
from models.training.picture_material import PICTURES_FILE, PictureMaterial
from models.training.quantiser import MOST_ROWS
from models.training.record import record_of, rows_of
from models.training.rows import TrainingRows
from models.vision.inspection import UInt8Array
from models.vision.picture_score import PictureSpec, network_input

Infer = Callable[[Float32Array], Float32Array]


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What one runtime made of the items that judge."""

    limit: float  # fitted on what the runtime gave
    quality: Quality
    raw: Float64Array  # of all items, in one order


class Subject(Protocol):
    """What a bundle carries of its training."""

    def calibration(self) -> Float32Array:
        """Inputs of the network `(n, ...)`, n from 100 to 1000; pictures' are smaller than whole ones."""
        ...

    def one(self) -> Float32Array:
        """A batch of one item."""
        ...

    def judgement(self, infer: Infer) -> Judgement:
        """By a backend's `infer` at limit 1."""
        ...


def subject_of(bundle: Bundle) -> Subject:
    """The subject that a bundle carries. Raises BundleError where it carries none."""
    record = record_of(bundle)
    if bundle.manifest.picture is not None:
        if PICTURES_FILE not in bundle.files:
            raise BundleError(f"the bundle has no {PICTURES_FILE}: nothing to calibrate and judge int8 with")
        content = bundle.files[PICTURES_FILE]
        return PictureSubject(
            bundle.manifest.picture, picture_material.from_bytes(content, record.faults, record.made_up)
        )
    rows, spec = rows_of(bundle), bundle.manifest.network
    if spec is None:
        raise BundleError("the bundle has no network")
    return RowSubject(spec, rows, record.steps, record.seed)


@dataclass(frozen=True, slots=True, eq=False)
class RowSubject:
    """Rows of features; implements Subject."""

    spec: NetworkSpec
    rows: TrainingRows
    steps: int
    seed: int

    def calibration(self) -> Float32Array:
        """See `Subject.calibration`."""
        items = calibration_items(self.rows, self.spec, self.steps, self.seed, MOST_ROWS)
        return prepare(self.spec, items).inputs

    def one(self) -> Float32Array:
        """See `Subject.one`."""
        return self._judged().healthy.values[:1]

    def judgement(self, infer: Infer) -> Judgement:
        """See `Subject.judgement`."""
        judged = self._judged()
        healthy = infer(judged.healthy.values).astype(np.float64)
        faulty = infer(judged.faulty.values).astype(np.float64)
        limit = fitted_limit(healthy, judged.healthy.sequence)
        return Judgement(limit, quality_of(judged, healthy, faulty, limit), np.concatenate([healthy, faulty]))

    def _judged(self) -> Judged:
        return judged_items(self.rows, self.spec, self.steps, self.seed)


@dataclass(frozen=True, slots=True, eq=False)
class PictureSubject:
    """Pictures; implements Subject."""

    spec: PictureSpec
    material: PictureMaterial

    def calibration(self) -> Float32Array:
        """See `Subject.calibration`."""
        return network_input(self.spec, self.material.crops.astype(np.float32))

    def one(self) -> Float32Array:
        """See `Subject.one`."""
        return self.material.good[:1].astype(np.float32)

    def judgement(self, infer: Infer) -> Judgement:
        """See `Subject.judgement`."""
        material = self.material
        limit, good, bad = (_raw(infer, part) for part in (material.limit, material.good, material.bad))
        fitted = picture_material.fitted_limit(limit)
        return Judgement(fitted, material.quality(good, bad, fitted), np.concatenate([good, bad]))


def _raw(infer: Infer, pictures: UInt8Array) -> Float64Array:
    """Raw scores of pictures, one after the other: a batch of them would be large."""
    found = [float(infer(one[np.newaxis].astype(np.float32))[0, 0]) for one in pictures]
    return np.array(found, dtype=np.float64)
