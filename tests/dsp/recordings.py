"""The real recordings, channel by channel, in the layouts of the pack's manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from dsp.framing import trend_window_samples

VIBRATION_LAYOUTS = ("recording", "mfpt_mat", "recordings", "runs", "snapshots", "bursts")


def vibration_entries(data_dir: Path) -> list[dict[str, Any]]:
    manifest = json.loads((data_dir / "MANIFEST.json").read_text(encoding="utf-8"))
    return [entry for entry in manifest if entry["layout"] in VIBRATION_LAYOUTS]


def channels(data_dir: Path, entry: dict[str, Any]) -> Iterator[tuple[str, float, np.ndarray]]:
    """(channel, rate, samples) of every stretch without a gap."""
    path = data_dir / entry["file"]
    if entry["layout"] == "mfpt_mat":
        bearing = loadmat(path)["bearing"][0, 0]
        yield "gs", float(np.ravel(bearing["sr"])[0]), np.ravel(bearing["gs"]).astype(np.float32)
        return
    with np.load(path) as stored:
        x = stored["x"] * np.asarray(stored["scale"]) + stored.get("offset", 0.0)
        rate_hz = float(stored["fs"]) if "fs" in stored else float(entry["sampling_rate_hz"])
        if entry["layout"] == "bursts":
            ends = np.cumsum(stored["lengths"])
            stretches = [x[end - length : end] for end, length in zip(ends, stored["lengths"], strict=True)]
        else:
            stretches = [x] if x.ndim == 2 else list(x)
    for stretch in stretches:
        for i, name in enumerate(entry["channels"]):
            yield name, rate_hz, np.ascontiguousarray(stretch[:, i], np.float32)


def windows(samples: np.ndarray, rate_hz: float) -> Iterator[np.ndarray]:
    """Trend windows side by side, or the whole stretch where it is shorter than one."""
    length = min(trend_window_samples(rate_hz), len(samples))
    for start in range(0, len(samples) - length + 1, length):
        yield samples[start : start + length]
