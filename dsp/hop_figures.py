"""The figures of a long window out of the features of its hops, stretches of 8192 samples.

Duty: how the features of `dsp.window_extractor` are joined where a window holds several hops: which have an
exact counterpart for the whole (levels, means, extremes), and which rule stands for the others. A row for
each figure stands in `dsp/README.md`. Computes no spectrum and knows no machine.
"""

from __future__ import annotations

import numpy as np

from dsp.band_features import Band
from dsp.samples import Float64Array
from dsp.window_parameters import N_BANDS, N_PEAKS, SEGMENT_SAMPLES, WINDOW_SAMPLES, WindowParameters

N_LINES = N_PEAKS
LINE_NAMES = frozenset(name for i in range(1, N_LINES + 1) for name in (f"line_{i}_hz", f"line_{i}_rms_mps2"))
"""The strongest lines, by rank: two windows' first lines may be two lines, so that no mean may be taken."""
FIRST_LINE = "line_1_rms_mps2"

_HANN_NOISE_LINES = 1.5  # a tone's density is spread over so many lines by the Hann window


def figure_names(sample_rate_hz: float) -> tuple[str, ...]:
    """Names of the figures in their order; band edges follow the nominal rate."""
    width_hz = sample_rate_hz / (2 * N_BANDS)
    return (
        "mean_mps2",
        "shape_factor",
        "impulse_factor",
        "clearance_factor",
        "zero_crossing_rate_hz",
        *(f"{Band(i * width_hz, (i + 1) * width_hz).name}_rms_mps2" for i in range(N_BANDS)),
        "centroid_hz",
        "spread_hz",
        "entropy",
        "high_frequency_peak_mps2",
        *(name for i in range(1, N_LINES + 1) for name in (f"line_{i}_hz", f"line_{i}_rms_mps2")),
    )


def joined_figures(
    hops: Float64Array, parameters: WindowParameters, means: Float64Array, rates_hz: Float64Array
) -> Float64Array:
    """Figures `(n_windows, n_figures)`, in the order of `figure_names`.

    `hops` `(n_windows, n_hops, n_features)` are features by `parameters` of the windows less their `means`
    (m/s2), taken as if sampled at the parameters' rate; `rates_hz` are the true ones. A window of which a hop
    holds what is not finite has NaN for every figure, a constant one for every ratio of deviations.
    """
    of = {name: hops[:, :, i] for i, name in enumerate(parameters.names)}
    stretch = rates_hz / parameters.sample_rate_hz
    with np.errstate(divide="ignore", invalid="ignore"):
        rms = _root_mean_square(of["rms_mps2"])
        peak = of["peak_mps2"].max(axis=1)
        # mean abs(x) and mean sqrt(abs(x)) of each hop, from its factors; of a silent hop, 0
        magnitude = _unless_silent(of["rms_mps2"] / of["shape_factor"], of["peak_mps2"]).mean(axis=1)
        root = np.sqrt(_unless_silent(of["peak_mps2"] / of["clearance_factor"], of["peak_mps2"])).mean(axis=1)
        power = of["density_rms_mps2"] ** 2
        centroid = _weighted(of["centroid_hz"], power)
        second = _weighted(of["spread_hz"] ** 2 + of["centroid_hz"] ** 2, power)
        spread = np.sqrt(np.maximum(second - centroid**2, 0.0))
        columns = [
            means + of["mean_mps2"].mean(axis=1),
            rms / magnitude,
            peak / magnitude,
            peak / root**2,
            of["zero_crossings"].mean(axis=1) / WINDOW_SAMPLES * rates_hz,
            *(_root_mean_square(of[f"band_{band}_rms_mps2"]) for band in range(1, N_BANDS + 1)),
            centroid * stretch,
            spread * stretch,
            _weighted(of["entropy"], power),
            of["high_frequency_peak_mps2"].max(axis=1),
        ]
        frequencies_hz, levels = _strongest_lines(
            np.stack([of[f"peak_{i}_hz"] for i in range(1, N_PEAKS + 1)], axis=-1),
            np.stack([of[f"peak_{i}_density"] for i in range(1, N_PEAKS + 1)], axis=-1),
            parameters.density_line_hz,
        )
        for i in range(N_LINES):
            columns += [frequencies_hz[:, i] * stretch, levels[:, i]]
        figures = np.column_stack(columns)
    figures[~np.isfinite(of["rms_mps2"]).all(axis=1)] = np.nan
    return figures


def _root_mean_square(values: Float64Array) -> Float64Array:
    return np.asarray(np.sqrt(np.mean(values**2, axis=1)))


def _unless_silent(values: Float64Array, peaks: Float64Array) -> Float64Array:
    return np.where(peaks == 0.0, 0.0, values)


def _weighted(values: Float64Array, power: Float64Array) -> Float64Array:
    """Mean over hops by their power; a hop without any says nothing."""
    weighted = np.where(power > 0.0, values * power, 0.0)
    return np.asarray(weighted.sum(axis=1) / power.sum(axis=1))


def _strongest_lines(
    frequencies_hz: Float64Array, densities: Float64Array, line_hz: float
) -> tuple[Float64Array, Float64Array]:
    """Frequencies and RMS values `(n_windows, N_LINES)` of the strongest lines in order; 0 where none.

    Peaks `(n_windows, n_hops, n_peaks)` of all hops that are less than a line or so apart are one; its power
    is their sum over the number of hops, so that a line of one hop among many counts little.
    """
    n_windows, n_hops = frequencies_hz.shape[:2]
    n_bins = SEGMENT_SAMPLES // 2 + 3  # the spectrum's lines, and one more at either end
    frequencies_hz, densities = frequencies_hz.reshape(n_windows, -1), densities.reshape(n_windows, -1)
    usable = np.isfinite(frequencies_hz) & np.isfinite(densities)
    power = np.where(usable, densities, 0.0) * (_HANN_NOISE_LINES * line_hz / n_hops)
    centred_hz = np.where(usable, frequencies_hz, 0.0)
    bins = np.arange(n_windows)[:, np.newaxis] * n_bins + np.rint(centred_hz / line_hz).astype(np.int64) + 1
    flat = bins.reshape(-1)
    powers = np.bincount(flat, power.reshape(-1), n_windows * n_bins).reshape(n_windows, n_bins)
    moments = np.bincount(flat, (power * centred_hz).reshape(-1), n_windows * n_bins).reshape(
        n_windows, n_bins
    )
    found_power, found_hz = np.zeros((n_windows, N_LINES)), np.zeros((n_windows, N_LINES))
    rows = np.arange(n_windows)[:, np.newaxis]
    for i in range(N_LINES):
        near = np.clip(powers.argmax(axis=1), 1, n_bins - 2)[:, np.newaxis] + np.array([-1, 0, 1])
        found_power[:, i] = powers[rows, near].sum(axis=1)
        total = np.where(found_power[:, i] > 0.0, found_power[:, i], 1.0)
        found_hz[:, i] = moments[rows, near].sum(axis=1) / total
        powers[rows, near] = moments[rows, near] = 0.0
    order = np.argsort(-found_power, axis=1, kind="stable")
    return (
        np.take_along_axis(found_hz, order, axis=1),
        np.sqrt(np.take_along_axis(found_power, order, axis=1)),
    )
