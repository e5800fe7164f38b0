"""The protocols of runs to failure, process tags and slow tags, on units whose truth is made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.evaluation.process_anomaly_protocol import ProcessAnomalyProtocol, row_counts
from models.evaluation.process_baseline import largest_deviation_alarms, level_alarms
from models.evaluation.protocol import Run, TaskProtocol, Unit
from models.evaluation.result import TaskResult
from models.evaluation.run_to_failure_protocol import FIVE_OF_SIX, RULES, RunToFailureProtocol
from models.evaluation.slow_tag_protocol import SlowTagProtocol, alarm_spans, labelled_windows
from tests.models.evaluation.sequential_units import snapshots, table

RATE_HZ = 8_192.0


def results(protocol: TaskProtocol, task: str, units: list[Unit]) -> tuple[dict[str, TaskResult], list[str]]:
    remarks: list[str] = []
    run = Run(remark=remarks.append, pictures=True)
    return {r.variant: r for r in protocol.evaluate("d", task, units, [], run)}, remarks


def run_of_noise(n: int, onset: int, seed: int = 1) -> list[np.ndarray]:
    """`n` snapshots of 0.1 s of noise on two channels, four times as loud on one from `onset`."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        x = rng.standard_normal((819, 2)).astype(np.float32)
        if i >= onset:
            x[:, 1] *= 4.0
        made.append(x)
    return made


def test_a_run_that_fails_is_found_within_three_snapshots_and_sooner_than_by_counting() -> None:
    unit = snapshots(run_of_noise(150, 110), RATE_HZ)
    found, remarks = results(RunToFailureProtocol(), "run_to_failure", [unit])
    assert "first alarm at snapshot 113 of 150 (75.3 % of life, 36.0 min before the end)" in remarks[0]
    ours, counted = found[RULES], found[FIVE_OF_SIX]
    assert ours.metrics["found"] == counted.metrics["found"] == 1
    assert ours.metrics["false_events"] == 0
    assert ours.metrics["delay_b"] is not None and 0 <= ours.metrics["delay_b"] <= 3
    assert counted.metrics["delay_b"] is not None and counted.metrics["delay_b"] > ours.metrics["delay_b"]
    timeline = ours.timelines[0]
    assert timeline.onsets == {"A": 110, "B": 110, "C": 110}
    assert timeline.baseline_end == 20 and timeline.alarms[0] == 110 + ours.metrics["delay_b"]


def test_no_snapshot_is_judged_by_later_ones() -> None:
    """Causality of the whole replay: cut the future off, and the alarms before stay."""

    def alarms(n: int) -> list[int]:
        unit = snapshots(run_of_noise(200, 110)[:n], RATE_HZ)
        results(RunToFailureProtocol(), "run_to_failure", [unit])
        decided: list[int] = unit.sealed.decision(RULES)
        return decided

    whole = alarms(200)  # the baseline is 20 snapshots for 199 as for 200
    assert whole[0] == 113
    for n in (111, 112, 113, 130, 199):
        assert alarms(n) == [at for at in whole if at < n]


def test_too_slow_or_odd_snapshots_are_taken_as_far_as_they_go() -> None:
    units = [snapshots(run_of_noise(60, 50), 20.0), snapshots(run_of_noise(60, 50), RATE_HZ)]
    found, remarks = results(RunToFailureProtocol(), "run_to_failure", units)
    refused = [remark for remark in remarks if "false events" not in remark]
    assert found[RULES].metrics["runs"] == 2 - len(refused)


def test_too_short_a_run_is_a_remark() -> None:
    found, remarks = results(
        RunToFailureProtocol(), "run_to_failure", [snapshots(run_of_noise(30, 20), RATE_HZ)]
    )
    assert found[RULES].metrics["runs"] == 0 and found[RULES].metrics["delay_b"] is None
    assert "at least 40" in remarks[0]


def plant(n: int = 1_000, first: int = 600, last: int = 800, **label: Any) -> Unit:
    rng = np.random.default_rng(5)
    values = np.stack([rng.standard_normal(n), 5.0 + rng.standard_normal(n)], axis=1)
    values[first:last, 0] += 5.0
    truth = np.zeros(n)
    truth[first:last] = 1.0
    changes = np.zeros(n)
    changes[[first, last - 1]] = 1.0
    return table(
        values, label or {"state": "healthy then anomaly"}, {"anomaly": truth, "changepoint": changes}
    )


def test_anomalous_rows_and_change_points_are_found() -> None:
    found, remarks = results(ProcessAnomalyProtocol(), "process_anomaly", [plant()])
    ours = found["rules"]
    assert remarks == []
    f1, far, mar, nab = (ours.metrics[name] for name in ("f1", "far", "mar", "nab"))
    assert f1 is not None and f1 > 0.88
    assert far is not None and far < 13.0
    assert mar is not None and mar < 8.0
    assert nab is not None and nab > 80.0
    assert ours.counts["tp"] + ours.counts["fn"] == 200
    assert ours.counts["fp"] + ours.counts["tn"] == 400


def test_a_healthy_file_gives_false_alarms_per_hour_and_no_rows() -> None:
    rng = np.random.default_rng(6)
    healthy = table(rng.standard_normal((4_000, 2)), {"state": "healthy"})
    found, _ = results(ProcessAnomalyProtocol(), "process_anomaly", [healthy])
    ours = found["rules"]
    assert ours.metrics["f1"] is None and ours.metrics["nab"] is None
    assert ours.metrics["false_alarms_per_healthy_h"] == pytest.approx(0.0)
    assert ours.counts["healthy_h"] == pytest.approx(1.0, abs=0.01)


def test_what_cannot_be_judged_is_a_remark() -> None:
    units = [plant(n=380, first=300, last=320), table(np.zeros((500, 1)), {"state": "odd"}), plant(first=350)]
    _, remarks = results(ProcessAnomalyProtocol(), "process_anomaly", units)
    assert ["none is left" in remarks[0], "not scored" in remarks[1], "learned rows" in remarks[2]] == [
        True
    ] * 3


def test_rows_are_counted_point_by_point() -> None:
    truth = np.array([1, 1, 1, 0, 0, 0, 0], bool)
    alarm = np.array([0, 1, 1, 1, 0, 0, 0], bool)
    counts = row_counts(truth, alarm)
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (2, 1, 1, 3)
    assert counts.f1 == pytest.approx(4 / 6)
    assert counts.far == pytest.approx(25.0)
    assert counts.mar == pytest.approx(100 / 3)


def test_baselines_are_causal_too() -> None:
    values = plant().rows.values
    whole = largest_deviation_alarms(values, 400)
    assert whole[605:790].mean() > 0.9
    assert not whole[:600].any()
    assert (largest_deviation_alarms(values[:650], 400) == whole[:650]).all()
    level = level_alarms(values[:, 0], 400)
    assert (level_alarms(values[:650, 0], 400) == level[:650]).all() and level[650]


def tank(n: int = 2_000) -> np.ndarray:
    rng = np.random.default_rng(8)
    wander = np.zeros(n)
    for i in range(1, n):
        wander[i] = 0.8 * wander[i - 1] + 0.6 * rng.standard_normal()
    return wander[:, None] + 20.0


def test_a_labelled_window_is_hit_and_false_events_are_counted_per_week() -> None:
    values = tank()
    values[1_000:1_060] += 8.0  # labelled
    values[1_700:1_760] -= 8.0  # not labelled
    label = {"windows": [["2023-12-26 00:00", "2023-12-28 12:00:00+01:00"]]}
    unit = table(values, label, step_s=3600.0)
    begin, end = labelled_windows(label, unit.rows.start_utc_ns)[0]
    assert begin == pytest.approx(1_703_548_800 - 1_700_000_000)
    assert end - begin == pytest.approx(59 * 3600.0)  # 60 h on the clock, one hour ahead of UTC at the end
    found, _ = results(SlowTagProtocol(), "slow_tag", [unit])
    ours = found["rules"]
    assert (ours.metrics["windows_hit"], ours.metrics["windows"]) == (1, 1)
    spans = ours.units[0]["alarms_h"]
    assert any(1_700 <= a <= 1_710 for a, _ in spans)
    false = [span for span in spans if not (span[1] * 3600.0 >= begin and span[0] * 3600.0 <= end)]
    assert ours.metrics["false_events"] == len(false) >= 1
    assert ours.metrics["false_events_per_week"] == pytest.approx(len(false) / (1_699 / 168.0), rel=1e-3)


def test_windows_that_are_learned_from_are_not_counted_and_damaged_ones_are_a_remark() -> None:
    learned = table(tank(), {"windows": [[3600.0, 7200.0]]}, step_s=3600.0)
    damaged = table(tank(), {"windows": [["soon", "later"]]}, step_s=3600.0, name="damaged")
    short = table(tank(100), {"windows": []}, step_s=3600.0)
    found, remarks = results(SlowTagProtocol(), "slow_tag", [learned, damaged, short])
    assert found["rules"].metrics["windows"] == 0
    assert len(remarks) == 3 and "damaged" in remarks[1]


def test_spans_of_standing_alarms() -> None:
    alarm = np.array([0, 1, 1, 0, 1], bool)
    assert alarm_spans(alarm, np.arange(5) * 10.0) == [(10.0, 20.0), (40.0, 40.0)]


@pytest.mark.parametrize("protocol", [RunToFailureProtocol(), ProcessAnomalyProtocol(), SlowTagProtocol()])
def test_labels_are_not_read_before_decisions_are_written(protocol: TaskProtocol) -> None:
    """The seal itself refuses; here: every variant has written on every judged unit."""
    unit = {
        "run_to_failure": snapshots(run_of_noise(60, 50), RATE_HZ),
        "process_anomaly": plant(),
        "slow_tag": table(tank(), {"windows": []}, step_s=3600.0),
    }[task := next(iter(protocol.tasks))]
    found, _ = results(protocol, task, [unit])
    assert found
    for variant in found:
        unit.sealed.decision(variant)  # raises where there is none
