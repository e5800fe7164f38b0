"""Fine bands and the level bands that they lie in: what a baseline that knows the coarse says of the fine.

Duty: power sums of fine levels over their level bands, and which band lies in which, by name. Moves no row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.errors import TensorError
from models.feature_words import band_edges_hz


def summed_db(
    levels_db: Float64Array, parents: Sequence[int] | npt.NDArray[np.intp], n_parents: int
) -> Float64Array:
    """`(n, n_parents)` levels of bands from those of their parts `(n, n_parts)`: power sums, dB.

    `parents[i]` is the place of part i's band. NaN for a band without parts, or with one that states nothing.
    """
    power = 10.0 ** (levels_db / 10.0)
    sums = np.full((len(levels_db), n_parents), np.nan)
    places = np.asarray(parents, dtype=np.intp)
    for place in np.unique(places):
        sums[:, place] = power[:, places == place].sum(axis=1)
    result: Float64Array = 10.0 * np.log10(sums)
    return result


def parents_of(names: tuple[str, ...], level_names: tuple[str, ...]) -> tuple[int, ...]:
    """The place among `level_names` of the band level in which each of the fine band levels `names` lies.

    Others of `level_names` are passed over. Raises TensorError that names the band that lies in none.
    """
    levels = [(place, edges) for place, name in enumerate(level_names) if (edges := band_edges_hz(name))]
    found = []
    for name in names:
        edges = band_edges_hz(name)
        middle_hz = (edges[0] * edges[1]) ** 0.5 if edges else 0.0
        own = [place for place, (lower_hz, upper_hz) in levels if lower_hz <= middle_hz < upper_hz]
        if not own:
            raise TensorError(f"{name} lies in no band whose level is learned")
        found.append(own[0])
    return tuple(found)
