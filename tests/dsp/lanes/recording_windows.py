"""The vibration recordings, each channel as one row, whatever stretches it was stored in.

Stretches of one channel are joined: for comparing two computations of the same windows a leap is as good as
any sample, and snapshots shorter than a window would otherwise stay out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.dsp.recordings import channels, vibration_entries


def recordings(data_dir: Path) -> Iterator[tuple[str, float, np.ndarray]]:
    """(name, rate, samples `(n_channels, n)` float32) of every vibration recording."""
    for entry in vibration_entries(data_dir):
        stretches: dict[str, list[np.ndarray]] = {}
        rates_hz = set()
        for channel, rate_hz, samples in channels(data_dir, entry):
            stretches.setdefault(channel, []).append(samples)
            rates_hz.add(rate_hz)
        yield entry["id"], rates_hz.pop(), np.array([np.concatenate(parts) for parts in stretches.values()])
