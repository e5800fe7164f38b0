"""Data sets of every kind that nobody has seen, as other hands might make them, and the same damaged.

Duty: folders with a MANIFEST.json whose entries differ in all that the format leaves open: units, rates,
axes, lengths, missing optional fields, odd cells. Made beside `evaluation_folders`, which holds the plain
cases.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.appliance.commands.evaluation_folders import FAULTY, GEOMETRY, HEALTHY, Entry, entry
from tests.dsp.bearing_signals import RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise

Floats = npt.NDArray[Any]
RPM = SHAFT_HZ * 60.0


def bearing_signal(seed: int, fault: Any = None, seconds: float = 2.0) -> Floats:
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE_HZ)
    samples = harmonics(rng, n) + resonant_noise(rng, n)
    return samples if fault is None else samples + impacts(rng, n, fault)


def rig_entries(folder: Path) -> list[Entry]:
    """Diagnosis: what may be missing or written otherwise, one entry each."""
    from dsp.bearing import BearingFault

    outer, plain = bearing_signal(1, BearingFault.OUTER_RACE), bearing_signal(2)
    noise = np.random.default_rng(3).standard_normal(len(outer))
    facts: Entry = {
        "bearing_channel": 0, "machine_geometry": GEOMETRY, "shaft_rpm": RPM, "unit": "m/s^2",
        "sampling_rate_hz": RATE_HZ,
    }  # fmt: skip
    entries: list[Entry] = []

    def add(
        arrays: dict[str, Any], label: Any = HEALTHY, without: tuple[str, ...] = (), **other: Any
    ) -> None:
        file = f"rig{len(entries)}.npz"
        np.savez(folder / file, **arrays)
        kept = {key: value for key, value in {**facts, **other}.items() if key not in without}
        made = entry("rig", "diagnosis", "recording", file, label, **kept)
        entries.append({key: value for key, value in made.items() if key not in without})

    add({"x": outer, "fs": RATE_HZ}, {"state": "faulty", "fault": "outer race"})  # 1-D, no scale, no channels
    steps = (np.round(np.stack([noise, outer, noise], 1) / 0.01)).astype(np.int16)
    packed = {"x": steps, "scale": [0.01] * 3, "offset": [0.0] * 3, "channels": ["a", "b", "c"]}
    add(packed, {"state": "faulty", "fault": "outer race"}, bearing_channel=1)  # the rate is the manifest's
    add({"x": plain[:, None], "fs": RATE_HZ}, without=("shaft_rpm",), shaft_rpm_nominal=RPM * 1.01)
    add({"x": plain[:, None], "fs": RATE_HZ}, without=("shaft_rpm", "machine_geometry", "unit"))
    add({"x": plain[:, None], "fs": RATE_HZ}, without=("label", "bearing_channel", "sampling_rate_hz"))
    lines = {key: GEOMETRY[key] for key in ("BPFO", "BPFI")}
    add(
        {"x": outer[:, None], "fs": RATE_HZ},
        {"state": "faulty", "fault": "outer_race"},
        machine_geometry=lines,
    )
    sizes = {"n_balls": 9, "ball_d_mm": 7.94, "pitch_d_mm": 39.04}
    add({"x": outer[:, None], "fs": RATE_HZ}, {"state": "Faulty", "fault": "Outer"}, machine_geometry=sizes)
    add({"x": outer[:900, None], "fs": RATE_HZ}, FAULTY)  # too short
    add({"x": np.zeros((9000, 2)), "fs": RATE_HZ}, HEALTHY, unit=None)
    add({"x": np.where(np.arange(len(plain)) % 7 == 0, np.nan, plain)[:, None], "fs": RATE_HZ})
    add(
        {"x": plain[:, None], "fs": RATE_HZ},
        {"state": "unknown"},
        shaft_rpm="about 1800",
        bearing_channel="DE",
    )
    add({"x": plain[::8, None], "fs": RATE_HZ / 8.0}, unit="mV")  # too slow to see any fault
    add({"x": plain[:, None], "fs": RATE_HZ}, {"state": "healthy", "grade": 3}, group=7, channels=None)
    return entries


def session_entries(folder: Path) -> list[Entry]:
    """One-class: sessions of other shapes, an unknown and a parked one, one of another rate."""
    entries: list[Entry] = []

    def add(dataset: str, x: Floats, label: Any, group: Any, rate_hz: float = 1000.0, **more: Any) -> None:
        file = f"{dataset}{len(entries)}.npz"
        layout = more.pop("layout", "recordings")
        arrays = {key: more.pop(key) for key in ("lengths",) if key in more}
        np.savez(folder / file, x=x.astype(np.float32), fs=rate_hz, **arrays)
        made = entry(dataset, "one_class", layout, file, label, group=group, **more)
        entries.append({key: value for key, value in made.items() if value is not None})

    def turning(seed: int, shape: tuple[int, ...], fault: float = 0.0) -> Floats:
        rng = np.random.default_rng(seed)
        t = np.arange(shape[-2]) / 1000.0
        line = np.sin(2 * np.pi * 120.0 * t) + fault * np.sin(2 * np.pi * 240.0 * t)
        return line[:, None] + 0.3 * rng.standard_normal(shape)

    faulty = {"state": "faulty", "fault": "bearing"}
    add("press", turning(1, (8, 600, 1)), HEALTHY, "a", unit="g")
    add("press", turning(2, (8, 700, 1)), HEALTHY, None, unit="g")  # no group, another length
    add("press", turning(3, (8, 600, 1), 0.8), faulty, "b", unit="g")
    add("press", turning(4, (4, 600, 1)), {"state": "unknown"}, "c", unit="g")
    add("press", 0.01 * turning(5, (4, 600, 1)), HEALTHY, "Off", unit="g")
    add("press", turning(6, (4, 600, 1)), HEALTHY, "d", rate_hz=2000.0, unit="g")
    add("press", turning(7, (4, 600, 3)), {}, "e", unit=None)
    add("lone", turning(8, (12, 600, 2)), HEALTHY, 1)  # nothing faulty, one session, a number for its name
    add("sick", turning(9, (6, 600, 2)), faulty, "x")  # nothing healthy
    lengths = np.array([200, 0, 200, 15, 200, 200, 185], np.int64)
    bursts = {"layout": "bursts", "unit": "counts (12 bit)"}
    add("taps", turning(10, (1000, 3)), HEALTHY, "s", lengths=lengths, **bursts)
    add("taps", turning(11, (1000, 3), 0.8), faulty, "s", lengths=np.full(5, 200), **bursts)
    add("long", turning(12, (9000, 2)), HEALTHY, "l", layout="recording", unit="none: z-normalised")
    add("long", turning(13, (9000, 2), 0.8), faulty, "l", layout="recording", unit="none: z-normalised")
    return entries


def speed_entries(folder: Path) -> list[Entry]:
    """Runs by speed: short ones, one speed alone, a speed that nobody noted."""
    rng = np.random.default_rng(20)
    entries = []
    for number, (n, configs, speeds) in enumerate(
        (
            (3000, [1, 1, 2, 2], [20, 40, 20, 40]),
            (600, [1, 2, 3], [50, 50, 50]),
            (200, [1, 2], [10, 20]),
            (1500, [1, 1, 2], [30.0, math.nan, 30.0]),
            (1500, [2, 2], [30, 60]),
        )
    ):
        x = np.array(configs)[:, None, None] * rng.standard_normal((len(configs), n, 2))
        file = f"speed{number}.npz"
        np.savez(folder / file, x=x, fs=50.0, config=configs, speed_percent=speeds)
        entries.append(entry(f"blower{number}", "one_class_by_speed", "runs", file, {}, unit="g"))
    return entries


def failing_entries(folder: Path) -> list[Entry]:
    """Runs to failure: few and many snapshots, one channel, no times, empty and void snapshots."""
    entries: list[Entry] = []

    def add(n: int, channels: int, samples: int, rate_hz: float, **more: Any) -> None:
        rng = np.random.default_rng(30 + len(entries))
        growth = 1.0 + 6.0 * np.clip((np.arange(n) - 0.8 * n) / (0.2 * n), 0.0, 1.0)
        x = growth[:, None, None] * rng.standard_normal((n, samples, channels))
        for at in more.pop("void", ()):
            x[at] = more.get("fill", np.nan)
        more.pop("fill", None)
        times = more.pop("times", None)
        file = f"fail{len(entries)}.npz"
        np.savez(
            folder / file, x=x.astype(np.float32), fs=rate_hz, **({} if times is None else {"t_day_s": times})
        )
        label = more.pop("label", {"state": "run-to-failure"})
        entries.append(entry(f"spindle{len(entries)}", "run_to_failure", "snapshots", file, label, **more))

    add(60, 1, 1024, 12_000.0)
    add(40, 2, 512, 25_600.0, times=np.arange(40) * 600.0, unit="mm/s2")
    add(30, 1, 512, 25_600.0)  # too few
    add(60, 1, 16, 25_600.0)  # too short for any feature
    add(60, 2, 512, 25_600.0, void=(7, 33), times=np.full(60, math.nan))
    add(60, 1, 512, 25_600.0, void=range(25), fill=0.0, label={})
    return entries


def table(header: str, rows: int, line: Callable[[int, Floats], str], seed: int = 40) -> str:
    rng = np.random.default_rng(seed)
    return "\n".join([header, *(line(row, rng.standard_normal(3)) for row in range(rows))])


def plant_entries(folder: Path) -> list[Entry]:
    """Process tags: other delimiters, clocks, cells and labels."""
    entries: list[Entry] = []

    def add(text: str, layout: str, label: Any = None, packed: bool = False) -> None:
        file = f"plant{len(entries)}.csv{'.gz' if packed else ''}"
        raw = text.encode()
        (folder / file).write_bytes(gzip.compress(raw) if packed else raw)
        made = entry(f"plant{len(entries)}", "process_anomaly", layout, file, label)
        entries.append({key: value for key, value in made.items() if value is not None})

    def bad(row: int) -> int:
        return int(500 <= row < 560)

    add(
        table("Time,Flow,Anomaly", 700, lambda r, z: f"{2.5 * r},{30 + 0.3 * z[0] - 6 * bad(r)},{bad(r)}"),
        "csv", {"state": "faulty"},
    )  # fmt: skip

    def european(row: int, z: Floats) -> str:
        return f"{row};{str(2 + z[0]).replace('.', ',')};{'' if row % 9 else z[1]};x;5"

    add(table("t;p;q;text;stuck", 620, european), "csv_semicolon", HEALTHY, packed=True)
    add(table("timestamp;a;anomaly", 300, lambda r, z: f"{r};{z[0]};0"), "csv_semicolon", HEALTHY)  # too few
    add(table("timestamp;a", 600, lambda r, z: f"{r};{z[0]}"), "csv_semicolon")  # nobody says what it is
    add(table("timestamp;a;anomaly", 600, lambda r, z: f"{r};{z[0]};1"), "csv_semicolon", {"state": "faulty"})

    def stamped(row: int, z: Floats) -> str:
        return f"2024-05-01T10:{row // 60:02d}:{row % 60:02d}+02:00,{z[0]},nan,0"

    add(table("datetime,a,b,changepoint", 600, stamped), "csv", {"state": "healthy"})
    add(
        table("time;a;anomaly", 700, lambda r, z: f"{min(r, 650)};{1e9 * z[0]};{bad(r) if r % 50 else ''}"),
        "csv_semicolon", {"state": "healthy start then anomaly"},
    )  # fmt: skip
    other = table("time;a;anomaly", 700, lambda r, z: f"{r};{z[0] - 9 * bad(r)};{bad(r)}")
    add(other, "csv", FAULTY)  # its layout names the other delimiter
    return entries


def climate_entries(folder: Path) -> list[Entry]:
    """Slow tags: windows in several forms, gaps, no windows, several columns."""
    entries: list[Entry] = []

    def add(label: Any, columns: int = 1, rows: int = 1500, line: Any = None, packed: bool = False) -> None:
        file = f"climate{len(entries)}.csv{'.gz' if packed else ''}"
        header = ",".join(["time", *(f"c{i}" for i in range(columns))])

        def usual(row: int, z: Floats) -> str:
            warm = 8.0 * (1000 <= row < 1060)
            return ",".join(
                [str(1800.0 * row), *(f"{20 + 0.4 * z[i % 3] + warm:.3f}" for i in range(columns))]
            )

        raw = table(header, rows, line or usual, seed=50 + len(entries)).encode()
        (folder / file).write_bytes(gzip.compress(raw) if packed else raw)
        made = entry(f"climate{len(entries)}", "slow_tag", "csv", file, label)
        entries.append({key: value for key, value in made.items() if value is not None})

    begin, end = 990 * 1800.0, 1070 * 1800.0
    add({"state": "healthy with windows", "windows": [[begin, end]]}, packed=True)
    add({"windows": []}, columns=3)
    add(None)
    add({"windows": [["2024-01-21T15:00:00Z", "2024-01-23T07:00:00+01:00"]]},
        line=lambda r, z: f"2024-01-{1 + r // 48:02d}T{r % 48 // 2:02d}:{30 * (r % 2):02d}:00,{20 + z[0]}"
        if r < 1440 else f"2024-02-01T00:00:{r % 60:02d},{20 + z[0]}")  # fmt: skip
    add({"windows": [["soon", "later"]]})
    add({"windows": {"from": 1}})
    add({"windows": [[begin, end]]}, rows=60)  # too few
    add({"windows": [[0.0, 3600.0]]}, line=lambda r, z: f"{1800 * r},{'' if r % 3 else 20 + z[0]}")
    add({"windows": [[begin, end]]}, line=lambda r, z: f"{1800 * r},20")  # never moves
    return entries


KINDS: dict[str, Callable[[Path], list[Entry]]] = {
    "rig": rig_entries,
    "session": session_entries,
    "speed": speed_entries,
    "failing": failing_entries,
    "plant": plant_entries,
    "climate": climate_entries,
}
"""One generator per kind of data set; each writes into a folder and returns the manifest's entries."""

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda raw: raw[: len(raw) * 6 // 10],
    "empty": lambda raw: b"",
    "noise": lambda raw: np.random.default_rng(7).bytes(4096),
    "middle": lambda raw: raw[: len(raw) // 2] + bytes(512) + raw[len(raw) // 2 + 512 :],
    "text": lambda raw: b"this is no recording\n" * 50,
}


def damaged(folder: Path, sound: Entry) -> list[Entry]:
    """The entry's file damaged in every way, each as an entry of its own, and one that is gone."""
    path = folder / sound["file"]
    suffix = "".join(path.suffixes)
    entries = []
    for name, harm in DAMAGES.items():
        (folder / f"{name}{suffix}").write_bytes(harm(path.read_bytes()))
        entries.append(sound | {"file": f"{name}{suffix}"})
    return [*entries, sound | {"file": f"gone{suffix}"}]
