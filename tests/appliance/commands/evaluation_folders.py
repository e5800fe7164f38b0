"""Folders with a MANIFEST.json made here, one data set per task and layout, under names nobody has heard.

Signals are plain physics: impacts, unbalance that grows, a pump's tags with a step, a slow temperature.
Written apart from the product's simulator.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dsp.bearing import BearingFault
from tests.dsp.bearing_signals import BEARING, RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise

GEOMETRY = {"bearing": "6205", "n_balls": 9, "BPFO": BEARING.bpfo, "BPFI": BEARING.bpfi, "contact_deg": 0}
FAULTY = {"state": "faulty", "fault": "inner race"}
HEALTHY = {"state": "healthy", "fault": None}
Entry = dict[str, Any]


def unseen_folder(folder: Path) -> list[Entry]:
    """All data sets but pictures, written into `folder` with their manifest; returns its entries."""
    entries = [
        *diagnosis_entries(folder),
        *one_class_entries(folder),
        *burst_entries(folder),
        *runs_entries(folder),
        *snapshots_entries(folder),
        *tag_entries(folder),
        *slow_entries(folder),
        entry("boards", "visual_difference", "image_pairs", "b.zip", {"state": "defect"}),
    ]
    write_manifest(folder, entries)
    return entries


def write_manifest(folder: Path, entries: list[Entry]) -> None:
    (folder / "MANIFEST.json").write_text(json.dumps(entries), encoding="utf-8")


def entry(dataset: str, task: str, layout: str, file: str, label: Entry, **more: object) -> Entry:
    """One entry with ids and descriptions that lie."""
    return {
        "id": f"{dataset}/normal_{file}", "description": "healthy", "dataset": dataset, "task": task,
        "layout": layout, "file": file, "label": label, **more,
    }  # fmt: skip


def save(path: Path, x: npt.NDArray[Any], rate_hz: float, **more: object) -> None:
    channels = [f"c{i}" for i in range(x.shape[-1])]
    arrays: dict[str, Any] = {"x": x.astype(np.float32), "fs": rate_hz, "channels": channels, **more}
    np.savez(path, scale=np.ones(x.shape[-1]), offset=np.zeros(x.shape[-1]), **arrays)


def diagnosis_entries(folder: Path, seconds: float = 4.5) -> list[Entry]:
    """Two impulsive faults and a healthy one, in layouts `recording` and `mfpt_mat`."""
    from scipy.io import savemat

    n, entries = int(seconds * RATE_HZ), []
    for number, fault in enumerate((BearingFault.OUTER_RACE, BearingFault.INNER_RACE, None)):
        rng = np.random.default_rng(number)
        samples = harmonics(rng, n) + resonant_noise(rng, n)
        samples = samples if fault is None else samples + impacts(rng, n, fault)
        label = HEALTHY if fault is None else {"state": "faulty", "fault": fault.value}
        more = {
            "bearing_channel": 0, "machine_geometry": GEOMETRY, "shaft_rpm": None, "unit": "g",
            "shaft_rpm_nominal": SHAFT_HZ * 60.0 * 1.004, "sampling_rate_hz": RATE_HZ,
        }  # fmt: skip
        if fault is BearingFault.INNER_RACE:
            file = f"d{number}.mat"
            bearing = {"sr": RATE_HZ, "gs": samples, "load": 10.0, "rate": SHAFT_HZ}
            savemat(folder / file, {"bearing": bearing})
            entries.append(entry("quarry", "diagnosis", "mfpt_mat", file, label, **more))
        else:
            file = f"d{number}.npz"
            save(folder / file, samples[:, None], RATE_HZ)
            entries.append(entry("quarry", "diagnosis", "recording", file, label, **more))
    return entries


def rotor(rng: np.random.Generator, shape: tuple[int, int], rate_hz: float, fault: float) -> npt.NDArray[Any]:
    """`(recordings, samples, 3)`: a shaft at 24 % of Nyquist, twice it where there is a fault, noise."""
    n, samples = shape
    t = np.arange(samples) / rate_hz
    turn = 2 * np.pi * 0.12 * rate_hz * t
    phases = rng.uniform(0, 2 * np.pi, (n, 3, 1))
    signal = (
        np.sin(turn + phases) + fault * np.sin(2 * turn + phases) + 0.3 * rng.standard_normal((n, 3, samples))
    )
    return signal.transpose(0, 2, 1)


def one_class_entries(folder: Path) -> list[Entry]:
    entries = []
    sessions = (("s1", 0.0, 20), ("s2", 0.0, 20), ("s3", 0.0, 20), ("s4", 0.8, 15), ("s5", 0.8, 15))
    for number, (group, fault, n) in enumerate(sessions):
        file = f"o{number}.npz"
        save(folder / file, rotor(np.random.default_rng(10 + number), (n, 2000), 1000.0, fault), 1000.0)
        label = HEALTHY if fault == 0.0 else {"state": "faulty", "fault": "bearing"}
        entries.append(
            entry("mill", "one_class", "recordings", file, label, group=group, sampling_rate_hz=1000)
        )
    return entries


def burst_entries(folder: Path) -> list[Entry]:
    entries = []
    for number, (group, fault) in enumerate((("slow", 0.0), ("fast", 0.0), ("slow", 0.8), ("fast", 0.8))):
        file, rng = f"b{number}.npz", np.random.default_rng(20 + number)
        x = rotor(rng, (60, 200), 200.0, fault).reshape(-1, 3)
        save(folder / file, x, 200.0, lengths=np.full(60, 200, np.int32))
        label = HEALTHY if fault == 0.0 else {"state": "faulty", "fault": "imbalance"}
        entries.append(entry("extractor", "one_class", "bursts", file, label, group=group, unit="g"))
    return entries


def runs_entries(folder: Path) -> list[Entry]:
    configs, speeds, pieces = [], [], []
    for number, (config, speed) in enumerate((c, s) for c in (1, 2, 3) for s in (20, 40, 60)):
        rng = np.random.default_rng(30 + number)
        t = np.arange(3000) / 50.0
        weight = 1.0 + 0.6 * (config - 1)
        line = np.sin(2 * np.pi * (5.0 + speed / 10.0) * t)[:, None]
        pieces.append(weight * line + 0.2 * rng.standard_normal((3000, 3)))
        configs.append(config)
        speeds.append(speed)
    save(folder / "r.npz", np.stack(pieces), 50.0, config=np.array(configs), speed_percent=np.array(speeds))
    label = {"state": "config 1 = normal"}
    return [entry("blower", "one_class_by_speed", "runs", "r.npz", label, sampling_rate_hz=50)]


def snapshots_entries(folder: Path, snapshots: int = 300) -> list[Entry]:
    rng = np.random.default_rng(40)
    growth = 1.0 + 8.0 * np.clip((np.arange(snapshots) - 0.8 * snapshots) / (0.2 * snapshots), 0.0, 1.0)
    x = growth[:, None, None] * rng.standard_normal((snapshots, 512, 2))
    t_day_s = (80_000.0 + 60.0 * np.arange(snapshots)) % 86_400.0  # passes midnight
    save(folder / "s.npz", x, 25_600.0, t_day_s=t_day_s, snapshot_index=np.arange(snapshots))
    label = {"state": "run-to-failure"}
    return [entry("spindle", "run_to_failure", "snapshots", "s.npz", label, sampling_rate_hz=25_600)]


def tag_entries(folder: Path) -> list[Entry]:
    """Two files of layout `csv_semicolon`: one with a step in a tag from row 700, one without."""
    entries = []
    start = datetime(2021, 5, 1, 8, 0, 0, tzinfo=UTC)
    for number, faulty in enumerate((True, False)):
        rng = np.random.default_rng(50 + number)
        rows = ["datetime;Flow;Pressure;Current" + (";anomaly;changepoint" if faulty else "")]
        for row in range(1000):
            bad = faulty and 700 <= row < 900
            flow, pressure, current = rng.standard_normal(3) * (0.5, 0.02, 0.1) + (30.0, 2.0, 5.0)
            stamp = (start + timedelta(seconds=row)).strftime("%Y-%m-%d %H:%M:%S")
            cells = [stamp, f"{flow - 6.0 * bad:.4f}", f"{pressure:.4f}", f"{current + 1.5 * bad:.4f}"]
            rows.append(
                ";".join([*cells, str(float(bad)), str(float(row in (700, 900)))] if faulty else cells)
            )
        file = f"t{number}.csv.gz"
        (folder / file).write_bytes(gzip.compress("\n".join(rows).encode()))
        label = {"state": "healthy start then anomaly", "fault": "leak"} if faulty else HEALTHY
        entries.append(entry("loop", "process_anomaly", "csv_semicolon", file, label, sampling_rate_hz=1))
    return entries


def slow_entries(folder: Path) -> list[Entry]:
    """A room's temperature each hour, layout `csv`, with a labelled week of heat."""
    rng = np.random.default_rng(60)
    start = datetime(2022, 1, 1, tzinfo=UTC)
    hours = np.arange(24 * 120)
    values = 20.0 + 2.0 * np.sin(2 * np.pi * hours / 24.0) + 0.3 * rng.standard_normal(len(hours))
    values[2000:2168] += 12.0
    stamps = [(start + timedelta(hours=int(h))).strftime("%Y-%m-%d %H:%M:%S") for h in hours]
    lines = ["timestamp,value"] + [f"{s},{v:.4f}" for s, v in zip(stamps, values, strict=True)]
    (folder / "n.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    label = {"state": "healthy with labelled anomaly windows", "windows": [[stamps[1976], stamps[2192]]],
             "points": [stamps[2000]]}  # fmt: skip
    return [entry("cellar", "slow_tag", "csv", "n.csv.gz", label, sampling_rate_hz=1.0 / 3600.0)]
