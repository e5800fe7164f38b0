"""Lines of a real signal's spectrum, out of the transform of its samples in pairs.

Duty: one function, compiled into the kernels that read such spectra.

Theory. z_j = x_2j + i x_(2j+1), Z its transform of n/2 values. With C_k = conj Z_(n/2 - k), E_k = (Z_k + C_k)
/ 2 is the transform of the even samples and O_k = -i (Z_k - C_k) / 2 that of the odd ones; X_k = E_k + exp(-2
pi i k / n) O_k.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from dsp.lanes.butterflies import INLINED
from dsp.lanes.complex_vector import ComplexLanes, conjugate, load_complex, times_minus_i, twiddled
from dsp.lanes.fft import row_of

# The window's transform: 8192 real rows as 4096 complex ones, 64 x 64.
PAIRS = 4096


@njit(**INLINED)
def doubled_line(spectrum: Any, half_turns: Any, line: int) -> ComplexLanes:
    """2 X_k of a window of 8192 samples, 0 < k < 4096, from the work array of its transform.

    `half_turns` holds exp(-2 pi i k / 8192) for k below 4096.
    """
    mirror = PAIRS - line
    z = load_complex(spectrum, (line & 63) * 65 + (line >> 6))
    c = conjugate(load_complex(spectrum, (mirror & 63) * 65 + (mirror >> 6)))
    return (z + c) + twiddled(times_minus_i(z - c), half_turns, line)


@njit(**INLINED)
def doubled_line_of(spectrum: Any, half_turns: Any, line: int, n1: int, n2: int) -> ComplexLanes:
    """2 X_k of any packed transform of n1 n2 complex rows, 0 < k < n1 n2."""
    z = load_complex(spectrum, row_of(line, n1, n2))
    c = conjugate(load_complex(spectrum, row_of(n1 * n2 - line, n1, n2)))
    return (z + c) + twiddled(times_minus_i(z - c), half_turns, line)
