"""RMS of integrated acceleration by the definition: one sum per line, each divided by its own 2 pi f."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.oracles.fourier import hann, mean_square_lines


def band_rms(
    x: Sequence[float], rate_hz: float, lower_hz: float, upper_hz: float, integrations: int
) -> float:
    n = len(x)
    total = []
    for k, power in enumerate(mean_square_lines(x, hann(n))):
        f = k * rate_hz / n
        if k == 0 or k < math.ceil(lower_hz * n / rate_hz) - 2 or k > math.floor(upper_hz * n / rate_hz) + 2:
            continue
        spread = 1.0 + integrations * (2 * integrations + 1) / (3.0 * k * k)
        total.append(power / spread / (2.0 * math.pi * f) ** (2 * integrations))
    return math.sqrt(math.fsum(total))
