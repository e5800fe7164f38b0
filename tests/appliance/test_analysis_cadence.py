"""A second of waveform each so long: of a stream, of snapshots, across gaps; the same judgement for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.analysis import AssetAnalysis
from appliance.analysis_cadence import SeldomFramer
from appliance.analysis_settings import CADENCE_S, PROFILES, at_cadence
from appliance.config_file import ConfigError, load_settings
from appliance.machine_facts import build_analysis
from dsp.framing import Framer, Window
from dsp.samples import Quality, SampleBlock, SourceItem, TimeQuality
from tests.appliance.house import house, running
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, S, channels, motor_items

RATE_HZ = 1000.0
MACHINE = """
[[assets]]
id = "motor-1"
name = "Motor 1"
[[sources]]
kind = "serial"
id = "acc"
device = "/dev/null"
[[sources.axes]]
axis = "x"
channel = "motor-1.x"
asset = "motor-1"
"""


def stretch(start_s: float, seconds: float, block_s: float = 0.1) -> list[SampleBlock]:
    """Contiguous blocks whose samples are their own times, s."""
    count, length = round(seconds * RATE_HZ), round(block_s * RATE_HZ)
    times = start_s + np.arange(count) / RATE_HZ
    return [
        SampleBlock(
            "m.x",
            first,
            round(times[first] * S),
            TimeQuality.FITTED,
            RATE_HZ,
            times[first : first + length].astype(np.float32),
            Quality.GOOD,
        )
        for first in range(0, count, length)
    ]


def cut(framer: SeldomFramer, blocks: list[SampleBlock]) -> list[Window]:
    return [window for block in blocks for window in framer.push(block)]


def starts_s(windows: list[Window]) -> list[float]:
    for window in windows:  # a window is one stretch, and says truly when it began
        np.testing.assert_allclose(window.samples, window.start_ns / S + np.arange(1000) / RATE_HZ, rtol=1e-5)
    return [round(window.start_ns / S, 2) for window in windows]


def seldom(cadence_s: float, samples: int = 1000) -> SeldomFramer:
    return SeldomFramer(Framer("m.x", samples, max(1, samples // 2)), cadence_s)


@pytest.mark.parametrize("block_s", [0.016, 0.1, 1.0, 7.3, 95.0])
def test_a_stream_gives_one_window_per_cadence_however_it_is_cut(block_s: float) -> None:
    assert starts_s(cut(seldom(20.0), stretch(5.0, 95.0, block_s))) == [5.0, 25.0, 45.0, 65.0, 85.0]


def test_snapshots_are_taken_when_they_come() -> None:
    came = [600.0 * i + late_s for i, late_s in enumerate((0.0, 40.0, -30.0, 5.0, 0.0, 50.0, -50.0))]
    snapshots = [block for at_s in came for block in stretch(1000.0 + at_s, 1.3)]
    assert starts_s(cut(seldom(600.0), snapshots)) == [1000.0 + at_s for at_s in came]


@pytest.mark.parametrize("period_s", [545.0, 570.0, 598.0, 600.0, 605.0, 660.0])
def test_no_snapshot_is_passed_over_whose_clock_is_a_little_off(period_s: float) -> None:
    came = [1000.0 + period_s * i for i in range(60)]
    snapshots = [block for at_s in came for block in stretch(at_s, 1.1, 1.1)]
    assert len(cut(seldom(600.0), snapshots)) == 60


def test_a_source_that_is_away_costs_its_decisions_and_no_other() -> None:
    framer = seldom(60.0)
    blocks = stretch(0.0, 100.5) + stretch(419.0, 150.0)
    # 60.0 is the last before it goes; it comes back between two dues, and the cadence begins there
    assert starts_s(cut(framer, blocks)) == [0.0, 60.0, 419.0, 479.0, 539.0]
    framer = seldom(60.0)
    blocks = stretch(0.0, 60.4) + stretch(66.0, 120.0)  # away in the middle of a window: the next whole one
    assert starts_s(cut(framer, blocks)) == [0.0, 66.0, 120.0, 180.0]
    # snapshots of which some are too short, and some are missing
    framer = seldom(60.0)
    blocks = [
        block
        for at_s, long_s in ((0, 1.2), (60, 0.4), (120, 1.2), (300, 1.2), (360, 1.2))
        for block in stretch(at_s, long_s)
    ]
    assert starts_s(cut(framer, blocks)) == [0.0, 120.0, 300.0, 360.0]


def test_long_records_and_a_clock_that_goes_back() -> None:
    long = cut(seldom(10.0, 25_000), stretch(0.0, 101.0))  # a slow shaft: records as fast as they can come
    assert [round(window.start_ns / S) for window in long] == [0, 25, 50, 75]
    framer = seldom(60.0)
    assert starts_s(cut(framer, stretch(9000.0, 61.5))) == [9000.0, 9060.0]
    assert starts_s(cut(framer, stretch(10.0, 61.5))) == [10.0, 70.0]


def test_every_window_without_a_cadence() -> None:
    assert at_cadence(0.0) is PROFILES["default"]
    assert at_cadence(CADENCE_S).learning == PROFILES["snapshots"].learning
    hourly = at_cadence(3600.0)
    assert hourly.learning.longest_step_s == hourly.watch.drift.longest_step_s == 5400.0
    assert hourly.learning.min_windows == 24


def station(tmp_path: Path, lines: str) -> Path:
    (tmp_path / "stethos.toml").write_text(f"[station]\n{lines}\n{MACHINE}")
    return tmp_path / "stethos.toml"


async def test_a_live_appliance_decides_once_per_cadence(tmp_path: Path) -> None:
    """From the setting in the file through queues, analysis and journal, on a stream that never pauses."""
    settings = build_analysis(load_settings(station(tmp_path, "decision_cadence_s = 10")).station)
    assert settings == at_cadence(10.0)
    seen = []
    async with house(tmp_path, judged_by=settings) as one:
        one.start()
        take = one.station.take_findings

        def watched(asset_id, findings):  # type: ignore[no-untyped-def]
            seen.append(findings)
            take(asset_id, findings)

        one.station.take_findings = watched  # type: ignore[method-assign]
        whole = running(64.0)
        for items in whole[:420] + whole[500:]:  # 42 s to 50 s do not arrive
            one.feed(items)
            await one.settle()
        windows = [vector.start_ns for findings in seen for vector in findings.features]
        first_ns = windows[0]
        after_s = [round((at_ns - first_ns) / S, 1) for at_ns in windows]
        assert after_s[:5] == [0.0, 10.0, 20.0, 30.0, 40.0]
        assert len(after_s) == 7
        records = [diagnosis.start_ns for findings in seen for diagnosis in findings.diagnoses]
        assert [round((at_ns - first_ns) / S, 1) for at_ns in records] == after_s
        (progress,) = {p.operating_state: p for p in one.analysis.learning_progress()}.values()
        assert 50.0 <= progress.learned_s <= 65.0  # each stands for the time since the one before it
        assert progress.needed_s == 48 * 3600.0


def test_a_stream_and_snapshots_of_it_are_judged_alike() -> None:
    """What a soak of snapshots shows holds for a live source, window by window."""
    stream = list(motor_items(5, 45.0, rate_hz=LOW_RATE_HZ, axes="x"))
    cadence_ns, needed_ns = 10 * S, 2 * S

    def snapshot(item: SourceItem) -> bool:
        return item.channel_id != "motor-1.x" or (item.start_ns - start_ns) % cadence_ns < needed_ns

    start_ns = next(item.start_ns for items in stream for item in items if item.channel_id == "motor-1.x")
    found = []
    for items_of in (lambda items: items, lambda items: [item for item in items if snapshot(item)]):
        analysis = AssetAnalysis(MOTOR, channels(LOW_RATE_HZ, "x"), at_cadence(10.0))
        findings = [analysis.process(items_of(items)) for items in stream]
        found.append(
            (
                [vector for one in findings for vector in one.features],
                [diagnosis for one in findings for diagnosis in one.diagnoses],
            )
        )
    (vectors, diagnoses), (cut_vectors, cut_diagnoses) = found
    assert len(vectors) == len(diagnoses) == 5
    assert diagnoses == cut_diagnoses
    for vector, other in zip(vectors, cut_vectors, strict=True):
        assert vector.start_ns == other.start_ns
        np.testing.assert_array_equal(vector.values, other.values)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("decision_cadence_s = 2", "10 s or more"),
        ("decision_cadence_s = 86400", "less than or equal to 3600"),
        ("decision_cadence_s = -1", "greater than or equal to 0"),
        ('decision_cadence_s = 600\nprofile = "demo"', "learns in a minute"),
    ],
)
def test_a_cadence_that_cannot_be(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(station(tmp_path, lines))
    assert "station.decision_cadence_s" in str(error.value)
    assert said in str(error.value)
