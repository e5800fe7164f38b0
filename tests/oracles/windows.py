"""Framing by keeping everything: all samples since the last gap in one list, windows cut out of it."""

from __future__ import annotations


def window_starts(stretches: list[int], window_samples: int, hop_samples: int) -> list[tuple[int, int]]:
    """(stretch, first sample in it) of every whole window, for stretches of so many samples each."""
    return [
        (i, start)
        for i, n_samples in enumerate(stretches)
        for start in range(0, n_samples - window_samples + 1, hop_samples)
    ]
