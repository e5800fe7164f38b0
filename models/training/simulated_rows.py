"""Training rows of the simulated machine: healthy running, and each fault as it grows.

Duty: the simulator's three axes through the product's own extractor. For trying things out, for the demo and
for tests: a network that was trained on it knows the simulator, and no machine.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dsp.framing import WindowBatch, trend_window_samples
from dsp.samples import Float32Array, Quality
from firmware_bridge.bearing_impacts import FaultKind
from firmware_bridge.simulated_machine import SimulatedMachine, VibrationStream
from models.training.row_inputs import RowExtractor, RowInput, extractor_of, rows_made_by
from models.training.rows import Stretch, TrainingRows

AXES = ("x", "y", "z")
FAULT_SHARE = 0.2  # of the healthy time, for each fault: its first signs, to a fifth of its full growth
GROWN = 0.2


def simulated_rows(
    healthy_s: float,
    seed: int,
    sample_rate_hz: float,
    machines: int = 2,
    baseline_s: float = 0.0,
    *,
    made_of: RowInput = RowInput.FEATURES,
) -> TrainingRows:
    """Rows of several machines of one make, `healthy_s` of running each, half-overlapping windows.

    `baseline_s`: the rows are those of boxes whose baselines learned for so long before (0: from all of it).
    Equal arguments give equal rows. Raises ModelError where the time is too short to learn from.
    """
    healthy_s, begin_s = float(healthy_s), float(baseline_s)
    extractor = extractor_of(made_of, sample_rate_hz, trend_window_samples(sample_rate_hz), "m/s2")
    stretches = []
    for number in range(machines):
        machine_seed = seed * 100 + number
        healthy = SimulatedMachine(machine_seed)
        until_s = begin_s + healthy_s
        baseline = windows_in(begin_s, extractor) if begin_s else 0
        stretches += [
            replace(one, baseline=baseline)
            for one in _stretches(extractor, healthy, until_s, f"{number}", "")
        ]
        for fault in FaultKind:
            machine = SimulatedMachine(machine_seed)
            fault_s = FAULT_SHARE * healthy_s
            machine.start_fault(fault, until_s, fault_s / GROWN)
            stretches += _stretches(extractor, machine, fault_s, f"{number}", str(fault), until_s)
    learned = f" after baselines of {begin_s:g} s" if begin_s else ""
    origin = (
        f"{machines} simulated machines, {healthy_s:g} s of healthy running each{learned}, seed {seed},"
        f" {sample_rate_hz:g} Hz; faults to {GROWN:.0%} of their full growth"
    )
    return rows_made_by(extractor, stretches, origin)


def windows_in(seconds: float, extractor: RowExtractor) -> int:
    """Half-overlapping windows that so much running has, one at least."""
    hop_s = extractor.window_samples / 2 / extractor.sample_rate_hz
    return max(1, math.floor(seconds / hop_s) - 1)


def rows_of_channel(extractor: RowExtractor, samples: Float32Array) -> Float32Array:
    """`(n, n_features)` features of half-overlapping windows of one channel's `samples` `(n_samples,)`."""
    length = extractor.window_samples
    starts = range(0, len(samples) - length + 1, length // 2)
    rows = []
    for first in range(0, len(starts), 64):
        part = list(starts)[first : first + 64]
        batch = WindowBatch(
            channel_ids=("",) * len(part),
            start_ns=tuple(round(start / extractor.sample_rate_hz * 1e9) for start in part),
            sample_rate_hz=(extractor.sample_rate_hz,) * len(part),
            samples=np.ascontiguousarray([samples[start : start + length] for start in part], np.float32),
            qualities=(Quality.GOOD,) * len(part),
            operating_states=("",) * len(part),
        )
        rows += [vector.values for vector in extractor.extract(batch)]
    return np.array(rows, np.float32).reshape(len(rows), len(extractor.names))


def _stretches(  # noqa: PLR0917
    extractor: RowExtractor,
    machine: SimulatedMachine,
    seconds: float,
    name: str,
    fault: str,
    start_s: float = 0.0,
) -> list[Stretch]:
    rate_hz = extractor.sample_rate_hz
    stream = VibrationStream(machine, rate_hz, start_s)
    blocks = []
    while stream.next_sample < seconds * rate_hz:
        blocks.append(stream.next_block())
    samples = np.concatenate(blocks)
    return [
        Stretch(rows_of_channel(extractor, np.ascontiguousarray(samples[:, axis])), f"{name} {label}", fault)
        for axis, label in enumerate(AXES)
    ]
