"""Protocol `run_to_failure`: machines that ran until they failed, replayed snapshot by snapshot.

Duty: causal replay through the product's extractor, baseline and sequential test; judged by the onset labels
of `onset_labels`. The forecast of the learned limit is judged by whether its intervals hold. Networks, where
they are asked for, are taught by each run's own baseline (`network_runs`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from dsp.errors import DspError
from dsp.extractor import EXTRACTOR_VERSION, TrendExtractor
from dsp.samples import Float32Array, Float64Array
from models.baseline import BaselineRules
from models.cumulative_sum import CumulativeSum, CumulativeSumRules
from models.detector import AnomalyScore, BaselineDetector, LearningSettings
from models.detectors.catalogue import detectors
from models.evaluation.network_runs import (
    CHUNK,
    STATE,
    ChannelRows,
    log_spectra,
    network_runs,
    run_area,
    snapshot_batch,
)
from models.evaluation.one_class_protocol import MadeNetworks, by_reference
from models.evaluation.onset_labels import (
    MIN_BASELINE,
    MIN_SNAPSHOTS,
    AlarmsJudged,
    baseline_snapshots,
    judge_alarms,
    onset_labels,
)
from models.evaluation.protocol import Run, Unit, UnreadableUnit, Waveforms
from models.evaluation.result import BASELINE, Rate, TaskResult, Timeline
from models.one_class_judge import JUDGES, LEAST_SHARE, LIMIT_MARGIN, ROBUST, SCALE, JudgeName
from models.prognosis import Forecast, forecast

RULES = "rules"
FIVE_OF_SIX = f"{BASELINE}5 of 6"  # the same scores counted: median of 5, at the limit in 5 of 6
# One-class detectors in the place of the baseline's statistic, under the same sequential test.
OTHERS: dict[str, JudgeName] = {f"{BASELINE}{name}": name for name in JUDGES if name != ROBUST}
VARIANTS = (RULES, FIVE_OF_SIX, *OTHERS)
_NEEDED, _OF = 5, 6
_FORECAST_EVERY = 10  # snapshots
_FORECAST_HISTORY = 240
_LIMIT = "the learned limit"


@dataclass(frozen=True, slots=True)
class _Replay:
    """One run, replayed: largest over the channels, NaN while learning; whether an alarm stood."""

    score: Float64Array
    smoothed: Float64Array
    stood: Mapping[str, list[int]]
    channels: Sequence[ChannelRows]


@dataclass(frozen=True, slots=True)
class _ForecastCount:
    given: int
    inside: int
    abstained: int


class RunToFailureProtocol:
    """Judges runs to failure; implements TaskProtocol."""

    tasks = frozenset({"run_to_failure"})

    def __init__(self, rules: CumulativeSumRules | None = None, networks: MadeNetworks | None = None) -> None:
        """`networks` makes detectors that are trained on each channel's baseline."""
        self._rules = rules or CumulativeSumRules()
        self._networks = networks

    def settings(self) -> Mapping[str, Any]:
        """The test's figures, the baseline's, and how the baseline is chosen."""
        return {
            "cumulative_sum": asdict(self._rules),
            "baseline": asdict(BaselineRules()),
            "extractor": EXTRACTOR_VERSION,
            "learned": "first tenth, at least 20 snapshots",
            "five_of_six": [_NEEDED, _OF],
            "others": {name: repr(detectors(SCALE)[name]) for name in OTHERS.values()},
            "others_limit": [LIMIT_MARGIN, LEAST_SHARE],
            **(
                {"networks": {name: repr(part) for name, part in by_reference(self._networks)}}
                if self._networks
                else {}
            ),
        }

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """The product's result, networks', one for counting the same scores, one per optional detector."""
        networks = self._networks
        made = networks.make(SCALE) if networks else {}
        judged: dict[str, list[AlarmsJudged]] = {variant: [] for variant in (RULES, *made, *VARIANTS[1:])}
        rows: dict[str, list[dict[str, Any]]] = {variant: [] for variant in judged}
        counted: dict[str, dict[str, Any]] = {variant: {} for variant in made}
        timelines: list[Timeline] = []
        forecasts: list[_ForecastCount] = []
        for unit in units:
            n = len(unit.waveforms.stretches)
            if n < MIN_SNAPSHOTS:
                run.remark(f"{unit.name}: {n} snapshots; at least {MIN_SNAPSHOTS} are needed")
                run.step()
                continue
            try:
                replay = _replay(unit.waveforms, self._rules, bool(networks and networks.log_spectrum))
            except DspError as error:  # too short or too slow for any feature
                run.remark(f"{unit.name}: {error}")
                run.step()
                continue
            runs = network_runs(networks.make(SCALE) if networks else {}, replay.channels, self._rules)
            for variant, alarms in replay.stood.items():
                unit.sealed.write(variant, alarms)
            for variant, found in runs.items():
                unit.sealed.write(variant, list(found.stood))
            times = _times(unit.waveforms)
            rms = _largest_rms(unit.waveforms)
            onsets = onset_labels(rms)
            for variant, verdicts in judged.items():
                if variant in runs and runs[variant].abstains:
                    rows[variant].append({"unit": unit.name, "abstains": runs[variant].abstains})
                    continue
                verdict = judge_alarms(unit.sealed.decision(variant), onsets)
                verdicts.append(verdict)
                rows[variant].append(_row(unit.name, verdict, times))
                if variant in runs:
                    _count(counted[variant], unit.name, verdict, runs[variant].score, len(times))
            for said in dict.fromkeys(one.abstains for one in runs.values() if one.abstains):
                run.remark(f"{unit.name}: a network {said}")
            run.remark(_sentence(rows[RULES][-1]))
            forecasts.append(_forecasts(times, replay.smoothed))
            if run.pictures:
                timelines.append(_timeline(unit.name, times, rms, replay, judged[RULES][-1]))
            run.step()
        results = [
            _result(
                dataset,
                task,
                variant,
                judged=judged[variant],
                rows=rows[variant],
                unreadable=len(unreadable),
                more=counted.get(variant, {}),
            )
            for variant in judged
        ]
        return [_with_forecasts(results[0], forecasts, timelines), *results[1:]]


def _replay(waveforms: Waveforms, rules: CumulativeSumRules, of_log_spectra: bool) -> _Replay:
    """Every channel's snapshots in order of time; nothing looks ahead. `of_log_spectra`: networks' rows."""
    n = len(waveforms.stretches)
    baseline = baseline_snapshots(n)
    length = min(len(stretch) for stretch in waveforms.stretches) // 2 * 2  # the extractor's are even
    rate_hz = waveforms.sample_rate_hz
    extractor = TrendExtractor(rate_hz, length, waveforms.unit)
    duration_s = length / rate_hz
    score = np.full(n, np.nan)
    smoothed = np.full(n, np.nan)
    stood = {variant: np.zeros(n, bool) for variant in VARIANTS}
    rows: list[ChannelRows] = []
    learning = LearningSettings((baseline - 0.5) * duration_s, MIN_BASELINE)
    for channel in range(waveforms.stretches[0].shape[1]):
        detector = BaselineDetector(learning)
        test = CumulativeSum(rules)
        others = {
            variant: (BaselineDetector(learning, judged_by=name), CumulativeSum(rules))
            for variant, name in OTHERS.items()
        }
        recent: deque[bool] = deque(maxlen=_OF)
        values: list[Float32Array] = []
        learned = n
        for first in range(0, n, CHUNK):
            batch = snapshot_batch(waveforms, channel, first, length)
            for i, features in enumerate(extractor.extract(batch), first):
                for variant, (other, its_test) in others.items():
                    stood[variant][i] |= _alarms(its_test, other.observe(features))
                values.append(features.values)
                judged = detector.observe(features)
                if learned == n and detector.is_learned(features.channel_id, features.operating_state):
                    learned = len(values)
                if judged is None:
                    continue
                score[i] = np.fmax(score[i], judged.unsmoothed)
                smoothed[i] = np.fmax(smoothed[i], judged.value)
                stood[RULES][i] |= _alarms(test, judged)
                recent.append(judged.value >= 1.0)
                stood[FIVE_OF_SIX][i] |= sum(recent) >= _NEEDED
        own = detector.baseline_of(str(channel), STATE)
        if own is not None and of_log_spectra:
            rows.append(log_spectra(waveforms, channel, length, learned))
        elif own is not None:
            rows.append(ChannelRows(np.array(values), learned, own))
    alarms = {k: [int(i) for i in np.flatnonzero(v)] for k, v in stood.items()}
    return _Replay(score, smoothed, alarms, rows)


def _alarms(test: CumulativeSum, score: AnomalyScore | None) -> bool:
    """Whether an alarm stands after a snapshot; not while it only waits to be over."""
    if score is None:
        return False
    test.observe(score.unsmoothed, score.fresh)
    return test.value >= 1.0


def _largest_rms(waveforms: Waveforms) -> Float64Array:
    """`(n,)` largest RMS over the channels of each snapshot, mean removed."""
    return np.array([float(x.std(axis=0, dtype=np.float64).max()) for x in waveforms.stretches])


def _times(waveforms: Waveforms) -> Float64Array:
    """`(n,)` seconds from the first snapshot; snapshots count where no times are stated."""
    if waveforms.start_s is None:
        return np.arange(len(waveforms.stretches), dtype=np.float64)
    return np.asarray(waveforms.start_s, dtype=np.float64)


def _forecasts(times: Float64Array, smoothed: Float64Array) -> _ForecastCount:
    """Forecasts of the limit while the score was below it, against when it then passed it for good."""
    reached = np.nan_to_num(smoothed) >= 1.0
    passed = next((i for i in range(len(reached) - 4) if reached[i : i + 5].all()), None)
    known = np.flatnonzero(np.isfinite(smoothed))
    given = inside = abstained = 0
    if passed is None or len(known) == 0:
        return _ForecastCount(0, 0, 0)
    for now in range(int(known[0]) + _FORECAST_EVERY, passed, _FORECAST_EVERY):
        first = max(int(known[0]), now + 1 - _FORECAST_HISTORY)
        said = forecast(times[first : now + 1], smoothed[first : now + 1], 1.0, _LIMIT)
        if not isinstance(said, Forecast):
            abstained += 1
            continue
        given += 1
        inside += bool(said.lower_s <= times[passed] - times[now] <= said.upper_s)
    return _ForecastCount(given, inside, abstained)


def _count(counted: dict[str, Any], name: str, judged: AlarmsJudged, score: Float64Array, n: int) -> None:
    """What of one run the gate compares."""
    found = judged.first_alarm is not None
    counted.setdefault("alarm_events", {})[name] = [judged.false_events, int(found)]
    counted.setdefault("first_alarms", {})[name] = judged.first_alarm
    counted.setdefault("by_run", {})[name] = run_area(score, judged.onsets, baseline_snapshots(n))


def _row(name: str, judged: AlarmsJudged, times: Float64Array) -> dict[str, Any]:
    first = judged.first_alarm
    onsets = judged.onsets
    return {
        "unit": name,
        "snapshots": len(times),
        "onset_a": onsets.a,
        "onset_b": onsets.b,
        "onset_c": onsets.c,
        "first_alarm": first,
        "first_alarm_percent_of_life": None if first is None else round(100.0 * first / len(times), 1),
        "minutes_before_end": None if first is None else round(float(times[-1] - times[first]) / 60.0, 2),
        "false_events": judged.false_events,
        "delay_a": judged.delay(onsets.a),
        "delay_b": judged.delay(onsets.b),
        "delay_c": judged.delay(onsets.c),
    }


def _sentence(row: Mapping[str, Any]) -> str:
    """One run in words."""
    said = f"{row['unit']}: {row['false_events']} false events; "
    if row["first_alarm"] is None:
        return said + "the failure was not found"
    return (
        f"{said}first alarm at snapshot {row['first_alarm']} of {row['snapshots']}"
        f" ({row['first_alarm_percent_of_life']} % of life, {row['minutes_before_end']} min before the end),"
        f" {row['delay_a']}, {row['delay_b']} and {row['delay_c']} snapshots after onsets A, B and C"
    )


def _result(
    dataset: str,
    task: str,
    variant: str,
    *,
    judged: Sequence[AlarmsJudged],
    rows: Sequence[Mapping[str, Any]],
    unreadable: int,
    more: Mapping[str, Any],
) -> TaskResult:
    found = [verdict for verdict in judged if verdict.first_alarm is not None]
    delays = {
        label: sorted(row[label] for row in rows if row.get(label) is not None)
        for label in ("delay_a", "delay_b", "delay_c")
    }
    false_events = sum(verdict.false_events for verdict in judged)
    with_false = sum(verdict.false_events > 0 for verdict in judged)
    return TaskResult(
        dataset,
        task,
        variant,
        metrics={
            "found": len(found),
            "runs": len(judged),
            "false_events": false_events,
            **{label: float(median(values)) if values else None for label, values in delays.items()},
        },
        counts={
            "unreadable": unreadable,
            **{f"{label}_of_each": values for label, values in delays.items()},
            **more,
            **({"abstained": abstained} if (abstained := sum("abstains" in row for row in rows)) else {}),
        },
        units=rows,
        rates=[
            Rate("found", len(found), len(judged)),
            Rate("runs with false events", with_false, len(judged)),
        ],
    )


def _with_forecasts(
    result: TaskResult, forecasts: Sequence[_ForecastCount], timelines: Sequence[Timeline]
) -> TaskResult:
    given = sum(count.given for count in forecasts)
    inside = sum(count.inside for count in forecasts)
    return TaskResult(
        result.dataset,
        result.task,
        result.variant,
        result.metrics,
        {
            **result.counts,
            "forecasts_given": given,
            "forecasts_inside_80_percent": inside,
            "forecasts_abstained": sum(count.abstained for count in forecasts),
        },
        result.units,
        [*result.rates, Rate("forecasts inside their 80 % interval", inside, given)],
        timelines=timelines,
    )


def _timeline(
    name: str, times: Float64Array, rms: Float64Array, replay: _Replay, judged: AlarmsJudged
) -> Timeline:
    stood = replay.stood[RULES]
    begins = [at for i, at in enumerate(stood) if i == 0 or at != stood[i - 1] + 1]
    n = len(times)
    labels = {"A": judged.onsets.a, "B": judged.onsets.b, "C": judged.onsets.c}
    return Timeline(
        name=name,
        t_s=tuple(float(t) for t in times),
        indicator=tuple(0.0 if math.isnan(value) else float(value) for value in replay.score),
        rms=tuple(float(value) for value in rms),
        baseline_end=baseline_snapshots(n),
        onsets={label: at if at < n else None for label, at in labels.items()},
        alarms=tuple(begins),
    )
