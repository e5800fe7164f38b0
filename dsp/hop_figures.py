"""The figures of a long window out of the features of its hops, stretches of 8192 samples.

Duty: how the features of `dsp.window_extractor` are joined where a window holds several hops: which have an
exact counterpart for the whole (levels, means, extremes), and which rule stands for the others. A row for
each figure stands in `dsp/README.md`. Computes no spectrum and knows no machine.
"""

from __future__ import annotations

import numpy as np

from dsp.band_features import Band
from dsp.samples import Float64Array
from dsp.window_parameters import N_BANDS, N_PEAKS, WINDOW_SAMPLES, WindowParameters

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
    first_band, first_line, first_density = (
        parameters.names.index(name) for name in ("band_1_rms_mps2", "peak_1_hz", "peak_1_density")
    )
    stretch = rates_hz / parameters.sample_rate_hz
    power = of["density_rms_mps2"] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        # mean abs(x) and mean sqrt(abs(x)) of each hop, from its factors; of a silent hop, 0
        magnitude = _unless_silent(of["rms_mps2"] / of["shape_factor"], of["peak_mps2"]).mean(axis=1)
        root = np.sqrt(_unless_silent(of["peak_mps2"] / of["clearance_factor"], of["peak_mps2"])).mean(axis=1)
        peak = of["peak_mps2"].max(axis=1)
        centroid = _weighted(of["centroid_hz"], power)
        second = _weighted(of["spread_hz"] ** 2 + of["centroid_hz"] ** 2, power)
        figures = np.column_stack(
            (
                means + of["mean_mps2"].mean(axis=1),
                _root_mean_square(of["rms_mps2"]) / magnitude,
                peak / magnitude,
                peak / root**2,
                of["zero_crossings"].mean(axis=1) / WINDOW_SAMPLES * rates_hz,
                _root_mean_square(hops[:, :, first_band : first_band + N_BANDS]),
                centroid * stretch,
                np.sqrt(np.maximum(second - centroid**2, 0.0)) * stretch,
                _weighted(of["entropy"], power),
                of["high_frequency_peak_mps2"].max(axis=1),
                _strongest_lines(
                    hops[:, :, first_line : first_line + N_PEAKS],
                    hops[:, :, first_density : first_density + N_PEAKS],
                    parameters.density_line_hz,
                    stretch,
                ),
            )
        )
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
    frequencies_hz: Float64Array, densities: Float64Array, line_hz: float, stretch: Float64Array
) -> Float64Array:
    """Frequency and RMS of each of the strongest lines in order, `(n_windows, 2 N_LINES)`; 0 where none.

    Peaks `(n_windows, n_hops, n_peaks)` of all hops that lie within a line of the next are one. Its power is
    their sum over the number of hops, so that a line of one hop among many counts little.
    """
    n_windows, n_hops = frequencies_hz.shape[:2]
    frequencies_hz, densities = frequencies_hz.reshape(n_windows, -1), densities.reshape(n_windows, -1)
    n_peaks = frequencies_hz.shape[1]
    order = np.argsort(frequencies_hz, axis=1)  # what is no number comes last
    rows = np.arange(n_windows)[:, np.newaxis]
    frequencies_hz, densities = frequencies_hz[rows, order], densities[rows, order]
    usable = np.isfinite(frequencies_hz) & np.isfinite(densities)
    power = np.where(usable, densities, 0.0) * (_HANN_NOISE_LINES * line_hz / n_hops)
    frequencies_hz = np.where(usable, frequencies_hz, 0.0)
    apart = np.diff(frequencies_hz, axis=1, prepend=-np.inf) > line_hz
    place = (np.cumsum(apart, axis=1) - 1 + n_peaks * rows).reshape(-1)
    size = n_windows * n_peaks
    powers = np.bincount(place, power.reshape(-1), size)
    moments = np.bincount(place, (power * frequencies_hz).reshape(-1), size)
    centres_hz = moments / np.where(powers > 0.0, powers, 1.0)
    powers, centres_hz = powers.reshape(n_windows, -1), centres_hz.reshape(n_windows, -1)
    strongest = np.argsort(-powers, axis=1, kind="stable")[:, :N_LINES]
    lines = np.empty((n_windows, 2 * N_LINES))
    lines[:, 0::2] = centres_hz[rows, strongest] * stretch[:, np.newaxis]
    lines[:, 1::2] = np.sqrt(powers[rows, strongest])
    return lines
