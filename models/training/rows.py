"""Rows that a network is trained, calibrated and judged on, and how they are divided.

Duty: healthy and faulty feature rows with the sequence each belongs to; kept in a bundle as `rows.npz`, so
that it can be quantised and judged again from what it holds. Reads no recording.

A sequence is one channel of one recording, in order of time. Of each healthy sequence the first 60 % teach,
the next 20 % say when to stop and how far outputs scatter, the last 20 % are held out: limits, golden vectors
and every figure come from these alone.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.baseline import FeatureScale, on_scale
from models.detectors.columns import Columns, ScaleRules, fit_columns
from models.errors import BundleError, ModelError
from models.feature_words import scale_of
from models.nested_bands import summed_db
from models.network_score import moved

ROWS_FILE = "rows.npz"
LEARN_SHARE, STOP_SHARE = 0.6, 0.2
LEAST_ROWS = 100  # to learn from
SEQUENCES_PER_FAULT = 1000
_ARRAYS = ("healthy", "healthy_of", "faulty", "faulty_of")

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Feature rows `(n, n_features)` in order of time, and which sequence each belongs to."""

    values: Float32Array
    sequence: Labels  # (n,)

    def __len__(self) -> int:
        return len(self.values)

    def part(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        """Those rows."""
        return Rows(self.values[chosen], self.sequence[chosen])

    def each(self) -> list[Float32Array]:
        """The sequences, one array each."""
        return [self.values[self.sequence == label] for label in np.unique(self.sequence)]


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Feature rows of one channel in order of time, and what was wrong with the machine meanwhile."""

    values: Float32Array  # (n, n_features)
    channel: str  # whose usual levels they are compared with
    fault: str = ""  # "" healthy
    baseline: int = 0  # of a healthy one: so many first rows are all that its channel's baseline learns


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Everything a network is made from and judged by."""

    feature_names: tuple[str, ...]
    extractor_version: str
    healthy: Rows
    faulty: Rows  # may be empty; a sequence's number // SEQUENCES_PER_FAULT is its place in `faults`
    faults: tuple[str, ...]
    origin: str  # in words, for the model card

    @property
    def sha256(self) -> str:
        """Of all figures: what the model card calls the hash of the data."""
        digest = hashlib.sha256("\0".join(self.feature_names).encode())
        for rows in (self.healthy, self.faulty):
            digest.update(np.ascontiguousarray(rows.values, dtype="<f4").tobytes())
            digest.update(np.ascontiguousarray(rows.sequence, dtype="<i8").tobytes())
        return digest.hexdigest()

    def parts(self) -> tuple[Rows, Rows, Rows]:
        """Healthy rows that teach, that say when to stop, and that are held out."""
        place = np.empty(len(self.healthy))
        for label in np.unique(self.healthy.sequence):
            own = np.flatnonzero(self.healthy.sequence == label)
            place[own] = np.arange(len(own)) / len(own)
        stop = LEARN_SHARE + STOP_SHARE
        cuts = (place < LEARN_SHARE, (place >= LEARN_SHARE) & (place < stop), place >= stop)
        learn, until, held = (self.healthy.part(cut) for cut in cuts)
        return learn, until, held


def scales_of(names: tuple[str, ...]) -> tuple[FeatureScale, ...]:
    """The scale in which each feature counts."""
    return tuple(scale_of(name) for name in names)


def columns_of(rows: Rows, scales: tuple[FeatureScale, ...], rules: ScaleRules) -> Columns:
    """Centre and spread within sequences of the used features. Raises ModelError for too few rows."""
    if len(rows) < LEAST_ROWS:
        raise ModelError(
            f"{len(rows)} healthy rows to learn from; {LEAST_ROWS} are needed: record for longer"
        )
    values = on_scale(rows.values, scales)
    columns = fit_columns(values, rows.sequence, rules)
    if not columns.used.any() or not _varies(values[:, columns.used]):
        raise ModelError("no feature says anything on these rows: all are constant, missing or ratios")
    return columns


def _varies(values: Float64Array) -> bool:
    """Whether any column does; the floor of a spread hides that none did."""
    told = np.where(np.isfinite(values), values, np.nan)
    return bool((np.nanmax(told, axis=0) > np.nanmin(told, axis=0)).any())


def training_rows(
    names: tuple[str, ...],
    extractor_version: str,
    stretches: Sequence[Stretch],
    origin: str,
    parents: tuple[int, ...] | None = None,
) -> TrainingRows:
    """Rows of stretches, each channel moved so that its healthy median is the median of all channels.

    A network then knows how levels vary together, not which channel is the louder one; live rows are moved by
    what the channel's own baseline learned. One that learns for a short time misses the median of all running
    by as much as the machine wanders: where a stretch says from how many `baseline` rows a box learns, its
    channel is moved by these alone, and they do not teach. Raises ModelError without healthy rows.

    `parents`, of rows that are fine bands: the place of the level band that each lies in. A baseline knows
    the levels of these alone, so fine bands are moved by what those lack, here as on a box.
    """
    scales = scales_of(names)
    healthy = [one for one in stretches if not one.fault and len(one.values)]
    if not healthy:
        raise ModelError("there are no healthy rows: at least one healthy recording is needed")

    def usual(parts: Sequence[Float32Array]) -> Float64Array:
        values = np.concatenate([on_scale(part, scales) for part in parts])
        if parents is None:
            return _medians(values)
        return _medians(summed_db(values, parents, max(parents) + 1))[list(parents)]

    overall = usual([one.values for one in healthy])
    levels = np.array([scale is FeatureScale.LEVEL for scale in scales])
    steps = {}
    for channel in {one.channel for one in healthy}:
        own = usual([one.values[: one.baseline or None] for one in healthy if one.channel == channel])
        steps[channel] = np.nan_to_num(overall - own)
    faults = tuple(sorted({one.fault for one in stretches if one.fault}))

    def rows_of(fault: str, first: int) -> list[tuple[Float64Array, int]]:
        own = [one for one in stretches if one.fault == fault and len(one.values)]
        still = np.zeros(len(names))
        return [
            (
                moved(one.values[one.baseline :].astype(np.float64), steps.get(one.channel, still), levels),
                first + i,
            )
            for i, one in enumerate(own)
        ]

    faulty = [part for i, fault in enumerate(faults) for part in rows_of(fault, i * SEQUENCES_PER_FAULT)]
    return TrainingRows(
        names,
        extractor_version,
        _joined(rows_of("", 0), len(names)),
        _joined(faulty, len(names)),
        faults,
        origin,
    )


def _joined(parts: Sequence[tuple[Float64Array, int]], n_features: int) -> Rows:
    if not parts:
        return Rows(np.zeros((0, n_features), np.float32), np.zeros(0, np.int64))
    labels = [np.full(len(values), label, np.int64) for values, label in parts]
    return Rows(np.concatenate([values for values, _ in parts]).astype(np.float32), np.concatenate(labels))


def items_of(rows: Rows, steps: int) -> Rows:
    """Items of a model: the rows as they are (`steps` 0), or `(n, steps, n_features)` within sequences."""
    if steps == 0:
        return rows
    items, labels = [], []
    for label, values in zip(np.unique(rows.sequence), rows.each(), strict=True):
        for first in range(len(values) - steps + 1):
            items.append(values[first : first + steps])
            labels.append(label)
    shape = (0, steps, rows.values.shape[-1])
    return Rows(
        np.array(items, dtype=np.float32) if items else np.zeros(shape, np.float32),
        np.array(labels, dtype=np.int64),
    )


def raised(deviations: Float32Array, chance: np.random.Generator, least: float, most: float) -> Float32Array:
    """Copies of deviations with a band of neighbouring columns raised by `least` to `most` spreads.

    What a fault does to levels, roughly: it teaches a network nothing of any real fault. The last row of a
    sequence is raised, the rows before it are left alone.
    """
    result = deviations.copy()
    width = deviations.shape[-1]
    for row in result.reshape(len(result), -1, width)[:, -1]:
        first = int(chance.integers(0, width))
        last = min(width, first + 1 + int(chance.integers(0, max(1, width // 3))))
        row[first:last] += chance.uniform(least, most)
    return result


def displaced(deviations: Float32Array, chance: np.random.Generator) -> Float32Array:
    """Copies of deviations with up to half of the columns moved either way, by up to some spreads.

    What is not healthy, without a say in what it looks like: a network that is shown rises alone takes
    everything else for healthy. Falls go beyond what a row's cap lets through, so that both sides are far.
    """
    result = deviations.copy()
    width = deviations.shape[-1]
    for row in result.reshape(len(result), -1, width)[:, -1]:
        columns = chance.permutation(width)[: 1 + int(chance.integers(0, max(1, width // 2)))]
        row[columns] += chance.normal(size=len(columns)) * chance.uniform(0.5, 3.0)
    return result


def to_bytes(rows: TrainingRows) -> bytes:
    """The arrays as an npz, the same for equal rows."""
    arrays: dict[str, npt.NDArray[Any]] = dict(
        zip(
            _ARRAYS,
            (rows.healthy.values, rows.healthy.sequence, rows.faulty.values, rows.faulty.sequence),
            strict=True,
        )
    )
    return packed_arrays(arrays)


def packed_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """An npz, the same for equal arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), content.getvalue())
    return buffer.getvalue()


def from_bytes(
    content: bytes, names: tuple[str, ...], extractor_version: str, faults: tuple[str, ...], origin: str
) -> TrainingRows:
    """Back from `to_bytes`. Raises BundleError for what is not."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            arrays = [np.asarray(found[name]) for name in _ARRAYS]
    except (
        Exception
    ) as error:  # damage raises what it likes: zlib.error, NotImplementedError, MemoryError ...
        raise BundleError(f"{ROWS_FILE} cannot be read: {type(error).__name__} {error}") from error
    for values, labels in (arrays[:2], arrays[2:]):
        if values.ndim != 2 or values.shape[1] != len(names) or labels.shape != values.shape[:1]:
            raise BundleError(f"{ROWS_FILE} has rows of shape {values.shape} for {len(names)} features")
    healthy, faulty = (
        Rows(values.astype(np.float32), labels.astype(np.int64))
        for values, labels in (arrays[:2], arrays[2:])
    )
    return TrainingRows(names, extractor_version, healthy, faulty, faults, origin)


def _medians(values: Float64Array) -> Float64Array:
    """`(n_features,)` medians of what is finite; NaN where nothing is."""
    found = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    if some.any():
        found[some] = np.nanmedian(values[:, some], axis=0)
    return found
