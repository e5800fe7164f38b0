"""What the demo's network makes of healthy simulated machines that it never met, and of a growing fault.

`python -m tools.demo_alarms --machines 6 --hours 1 [BUNDLE]`, many times faster than real time: rows by the
product's extractor, a baseline as long as the demo's, scores, and the test that makes alarms of them.
Prints windows over the limit, alarms in a day of running, and the level at which an alarm would just have
stood (1.0 = it did); then how soon after its beginning a fault is called, beside the statistical detector.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from appliance.analysis_settings import PROFILES
from appliance.commands.demo_story import GROWTH_S
from appliance.demo_config import DEMO_MODEL
from dsp.extractor import TrendExtractor
from dsp.framing import trend_window_samples
from dsp.samples import Float32Array
from firmware_bridge.bearing_impacts import FaultKind
from firmware_bridge.simulated_machine import SimulatedMachine, VibrationStream
from models.backends.numpy_reference import NumpyReference
from models.baseline import Baseline, BaselineRules, fit, running_median, scores
from models.cumulative_sum import AlarmLevel, CumulativeSum, CumulativeSumRules
from models.feature_words import scale_of
from models.network_judge import NetworkJudge, asked_of
from models.store import read_bundle
from models.training.simulated_rows import AXES, rows_of_channel, windows_in

RATE_HZ = 25_600.0
FIRST_SEED = 2
FAULT_S, FAULTY_S = 50.0, 130.0
FRESH = 0.5  # of a window's samples: windows overlap by half
_BLOCKS_AT_ONCE = 2000


def machine_rows(machine: SimulatedMachine, seconds: float, extractor: TrendExtractor) -> Float32Array:
    """`(3, n, n_features)` of so much running, from its beginning."""
    stream, length = VibrationStream(machine, RATE_HZ), extractor.window_samples
    left = np.empty((0, len(AXES)), np.float32)
    parts = []
    while stream.next_sample < seconds * RATE_HZ:
        samples = np.concatenate([left, *(stream.next_block() for _ in range(_BLOCKS_AT_ONCE))])
        n = (len(samples) - length) // (length // 2) + 1
        used = samples[: (n - 1) * (length // 2) + length]
        axes = range(len(AXES))
        parts.append(np.stack([rows_of_channel(extractor, np.ascontiguousarray(used[:, i])) for i in axes]))
        left = samples[n * (length // 2) :]
    return np.concatenate(parts, axis=1)


def judged(
    rows: Float32Array, judge: NetworkJudge, extractor: TrendExtractor
) -> Iterator[tuple[Baseline, Float32Array, Float32Array]]:
    """Of each axis: the demo's baseline, the rows behind it, and their scores."""
    first = windows_in(PROFILES["demo"].learning.learn_s, extractor) + 1
    scales = [scale_of(name) for name in extractor.names]
    for own in rows:
        baseline = fit(own[:first], extractor.names, scales, BaselineRules())
        yield baseline, own[first:], judge.answer(judge.inputs(baseline, own[first:])).scores


def first_alarm(values: Float32Array) -> int | None:
    """Position of the score at which the alarm stands."""
    test = CumulativeSum()
    return next((i for i, value in enumerate(values.tolist()) if test.observe(value, FRESH)), None)


def main() -> int:
    """Print the figures; 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=DEMO_MODEL)
    parser.add_argument("--machines", type=int, default=6)
    parser.add_argument("--hours", type=float, default=1.0)
    options = parser.parse_args()
    bundle, backend = read_bundle(options.bundle), NumpyReference()
    backend.load(bundle.manifest, bundle.artefact_bytes(backend.name))
    judge = NetworkJudge(bundle.manifest, asked_of(backend))
    extractor = TrendExtractor(RATE_HZ, trend_window_samples(RATE_HZ), "m/s2")
    hop_s = extractor.window_samples / 2 / RATE_HZ
    windows = over = median_over = alarms = 0
    for seed in range(FIRST_SEED, FIRST_SEED + options.machines):
        stands, levels = [], []
        rows = machine_rows(SimulatedMachine(seed), options.hours * 3600.0, extractor)
        for _, _, found in judged(rows, judge, extractor):
            windows, over = windows + len(found), over + int((found > 1.0).sum())
            median_over += int((running_median(found.astype(np.float64), 5) > 1.0).sum())
            test, level = CumulativeSum(), AlarmLevel(CumulativeSumRules())
            stands.append([test.observe(value, FRESH) for value in found.tolist()])
            levels.append(max(level.observe(value, FRESH) for value in found.tolist()))
        standing = np.any(stands, axis=0).astype(int)
        raised = int((np.diff(standing, prepend=0) == 1).sum())
        alarms += raised
        print(f"healthy machine {seed}: {raised} alarms, level at most {max(levels):.2f}", flush=True)
    days = max(windows / len(AXES) * hop_s / 86_400.0, 1e-9)
    print(
        f"{windows:,} windows: {over} over the limit ({over / max(windows, 1):.2%}), median of five"
        f" {median_over}; {alarms} alarms, {alarms / days:.0f} a day"
    )
    for seed in range(FIRST_SEED, FIRST_SEED + options.machines):
        machine = SimulatedMachine(seed)
        machine.start_fault(FaultKind.OUTER_RACE, FAULT_S, GROWTH_S)
        both: tuple[list[int], list[int]] = ([], [])
        offset = windows_in(PROFILES["demo"].learning.learn_s, extractor) + 1
        for baseline, own, found in judged(machine_rows(machine, FAULTY_S, extractor), judge, extractor):
            for called, values in zip(both, (found, scores(baseline, own)), strict=True):
                called += [i for i in [first_alarm(values)] if i is not None]
        said = [f"{(min(one) + offset + 2) * hop_s - FAULT_S:.1f} s" if one else "never" for one in both]
        print(f"fault of machine {seed}: network after {said[0]}, statistical after {said[1]}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
