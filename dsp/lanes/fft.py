"""Fourier transforms of lanes: their theory, their tables, and where a line of the result lies.

Duty: what the generated transforms (`tools/generate_lane_fft.py` writes them) and their users must agree on.
It transforms nothing itself.

Theory. n = n1 n2. With input row j = n2 j1 + j2 and output line k = k1 + n1 k2 (Cooley and Tukey, Math. Comp.
19 (1965) 297; in this shape the "four-step" transform, Bailey, J. Supercomputing 4 (1990) 23):

    X[k1 + n1 k2] = sum_j2 W(n2)^(j2 k2) * [ W(n)^(j2 k1) * sum_j1 W(n1)^(j1 k1) x[n2 j1 + j2] ]

with W(n) = exp(-2 pi i / n): n2 column transforms of length n1, a twiddle, n1 transforms of length n2. Each
of the short transforms is two butterflies through a scratch of at most 64 complex rows, which stays in the
first-level cache; the whole is two passes over the data, each row read once and written once, whatever its
length. Rows are LANES independent channels, so every butterfly is plain arithmetic on vectors, with no
shuffle, and twiddles are broadcast scalars.

The result is left where the second pass wrote it: line k = k1 + n1 k2 in complex row `row_of(k, n1, n2)` of a
work array whose lines are one row longer than n2, since columns 2^m rows apart would fall into the same cache
sets. Who reads a line computes that row; nobody sorts.

An inverse transform is the forward one with real and imaginary part exchanged (`complex_vector.swapped`) on
the way in and on the way out. Nothing is scaled. A real signal of 2 n samples is read as n complex ones (even
samples real, odd ones imaginary); two real signals of n samples share one transform as real and imaginary
part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from dsp.lanes.vector import LANES
from dsp.samples import Float32Array

COMPILED: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}

ALIGNMENT_BYTES = 64


def aligned(n_floats: int) -> Float32Array:
    """A zeroed float32 array whose first element lies on a cache line, as rows want it."""
    spare = np.zeros(n_floats + ALIGNMENT_BYTES // 4, np.float32)
    start = (-spare.ctypes.data % ALIGNMENT_BYTES) // 4
    return spare[start : start + n_floats]


@dataclass(frozen=True, slots=True)
class Plan:
    """Radices of a transform: (a, b) of the first pass, (c, d) of the second, as it was generated."""

    first: tuple[int, int]
    second: tuple[int, int]

    @property
    def n1(self) -> int:
        """Length of the first pass's transforms."""
        return self.first[0] * self.first[1]

    @property
    def n2(self) -> int:
        """Length of the second pass's transforms."""
        return self.second[0] * self.second[1]

    @property
    def n(self) -> int:
        """Complex rows in and out."""
        return self.n1 * self.n2

    @property
    def work_floats(self) -> int:
        """Floats of the work array: n1 lines of n2 + 1 complex rows."""
        return 2 * LANES * self.n1 * (self.n2 + 1)

    @property
    def scratch_floats(self) -> int:
        """Floats of the scratch array."""
        return 2 * LANES * max(self.n1, self.n2)

    def twiddle_table(self) -> Float32Array:
        """Twiddles of first pass, second pass and between, as complex numbers one after the other.

        Entry a q + s of the first n1 is W(n1)^(q s); likewise the next n2; entry n1 + n2 + n1 j2 + k1 is
        W(n)^(j2 k1). Computed in float64, rounded once.
        """
        exponents = [
            np.outer(np.arange(inner), np.arange(outer)).ravel() / (outer * inner)
            for outer, inner in (self.first, self.second)
        ]
        exponents.append(np.outer(np.arange(self.n2), np.arange(self.n1)).ravel() / self.n)
        turns = np.exp(-2j * np.pi * np.concatenate(exponents))
        table = aligned(2 * len(turns))
        table[0::2] = turns.real
        table[1::2] = turns.imag
        return table


@njit(forceinline=True, **COMPILED)
def row_of(line: int, n1: int, n2: int) -> Any:
    """Complex row of the work array that holds line `line` after a transform of n1 n2 rows."""
    return (line % n1) * (n2 + 1) + line // n1
