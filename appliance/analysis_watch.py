"""What is kept of one channel for months: whether its limits keep their promise, what drifts, where it leads.

Duty: feeds scored windows and diagnoses to the watches of their limits, to the drift monitor and to the
histories that forecasts are made of, and keeps the first baseline. Learns no baseline and raises no alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from appliance.alarms.budget import FAULT_LINES, SCORES, per_year
from appliance.alarms.rules import RuleSettings
from appliance.analysis_settings import WatchSettings
from dsp.extractor import FeatureVector
from dsp.samples import Float64Array
from dsp.severity_limits import ZoneLimits
from models.baseline import Baseline
from models.detector import AnomalyScore
from models.diagnosis import Diagnosis
from models.drift import Drift, DriftMonitor, figures_of_rises
from models.errors import ModelStateError
from models.fault_confirmation import ConfirmedLevel, at_limit
from models.learned_limit import LimitSettings, LimitStatement, LimitWatch
from models.prognosis import Abstention, Forecast, forecast
from models.trend_history import TrendHistory

LEARNED_LIMIT = "the learned limit"
_MOST_STATES = 64
_SAME_CENTRE = 0.01  # dB: what rounding may make of a centre that was stored
_FIRST_EVER = "first"  # of limits that were stored before first baselines had names
_CHANGED = 1.5  # a forecast whose median moved by this factor is told again


@dataclass(frozen=True, slots=True)
class Advisory:
    """A notice that asks for no timely answer: a forecast. Not an alarm, and not counted as one.

    `boundary` is what will be passed; `forecast` None: what was said before holds no longer.
    """

    channel_id: str
    time_ns: int
    boundary: str
    forecast: Forecast | None
    text: str


@dataclass(frozen=True, slots=True)
class FirstBaseline:
    """What a channel's drift is compared with."""

    name: str
    learned: bool  # whether its reference is whole
    learned_s: float  # of running
    needed_s: float


class ChannelWatch:
    """The long memory of one channel."""

    def __init__(self, channel_id: str, settings: WatchSettings, channels: int, rules: RuleSettings) -> None:
        """`channels` is how many share the machine's budget; `rules` make alarms of what this one shows."""
        self._channel_id = channel_id
        self._settings = settings
        budget, step_s = settings.false_alarms_per_year, settings.drift.longest_step_s
        self._promise = LimitSettings(
            per_year(SCORES, channels, budget), longest_step_s=step_s, test=rules.score
        )
        self._limit = LimitWatch(self._promise)
        self._fault_promise = LimitSettings(
            per_year(FAULT_LINES, channels, budget), longest_step_s=step_s, test=rules.confirmation
        )
        self._fault_limit = LimitWatch(self._fault_promise)
        self._confirmed = ConfirmedLevel(rules.confirmation)
        self._drift = DriftMonitor(settings.drift)
        self._first: dict[str, tuple[tuple[str, ...], Float64Array]] = {}  # centres per operating state
        self._first_name = ""  # tells one first baseline from another
        self._firsts = 0  # how many were begun
        self._rebaselined = False
        self._histories = {"score": self._new_history(), "velocity": self._new_history()}
        self._told: dict[str, Forecast] = {}
        self.advisories: list[Advisory] = []  # since they were last taken

    @property
    def drifts(self) -> list[Drift]:
        """What has drifted, the most telling first."""
        return self._drift.drifts()

    @property
    def first_baseline(self) -> FirstBaseline | None:
        """What drift is compared with; None before anything was scored."""
        if not self._first:
            return None
        drift = self._drift
        return FirstBaseline(self._first_name, drift.first_learned, drift.first_s, self.first_needed_s)

    @property
    def first_needed_s(self) -> float:
        """Running time that its reference takes, s."""
        return self._settings.drift.reference_s

    def give_up_first(self) -> None:
        """What is scored from now on is the first baseline: a person changed the machine, and says so."""
        self._first, self._first_name, self._rebaselined = {}, "", False
        self._drift = DriftMonitor(self._settings.drift)

    @property
    def statement(self) -> LimitStatement:
        """What can be said of the limit."""
        return self._limit.statement()

    @property
    def fault_statement(self) -> LimitStatement:
        """What can be said of the limit from which on a fault's lines are called."""
        return self._fault_limit.statement()

    def diagnosed(
        self, diagnosis: Diagnosis, time_ns: int, compared: bool, healthy: bool, held: bool = False
    ) -> Diagnosis:
        """A diagnosis by the limit in service, after it was noted.

        `compared`: with a learned baseline; one without says nothing of how learned ones behave. `healthy`
        False while an alarm of the machine stands. `held`: a person locked or set a limit of the channel, and
        the limit of fault lines stays where it is.
        """
        judged = at_limit(diagnosis, self._fault_limit.factor)
        if not (healthy and not self.drifts):
            self._fault_limit.interrupt()
            self._confirmed.clear()
        elif compared and self._fault_limit.observe_level(time_ns, self._confirmed.observe(judged), not held):
            self._confirmed.clear()
        return judged

    def score(
        self,
        features: FeatureVector,
        score: AnomalyScore,
        baseline: Baseline | None,
        mean: float,
        healthy: bool,
    ) -> AnomalyScore:
        """A window's score in units of the limit in service, after it was noted.

        `mean` is that of the window's samples; `healthy` False while an alarm of the machine stands.
        """
        scaled = self._scaled(score)
        self._limit.observe(score.start_ns, scaled.unsmoothed, healthy and not self.drifts, scaled.fresh)
        if baseline is not None and score.rises is not None:
            self._note_drift(features, scaled, baseline, mean)
        self._note("score", score.start_ns, scaled.value, 1.0, LEARNED_LIMIT)
        return scaled

    def velocity(
        self, time_ns: int, velocity_mm_s: float, usual: float, most: float, limits: ZoneLimits
    ) -> None:
        """Note a window's velocity RMS: `usual` in its operating state, `most` in the worst learned one.

        The history is that of the worst state: boundaries are passed there first.
        """
        if not (usual > 0.0 and velocity_mm_s > 0.0):
            return
        level = velocity_mm_s / usual * most
        if level < limits.b_c_mm_s:
            self._note("velocity", time_ns, level, limits.b_c_mm_s, "zone C")
        else:
            self._note("velocity", time_ns, level, limits.c_d_mm_s, "zone D")

    def resume(self, advisory: Advisory) -> None:
        """After a restart: this forecast was told and holds, until it is told otherwise."""
        if advisory.forecast is not None:
            self._told["score" if advisory.boundary == LEARNED_LIMIT else "velocity"] = advisory.forecast

    def state(self) -> dict[str, Any]:
        """What a restart needs, JSON-ready."""
        return {
            "limit": self._limit.state(),
            "fault_limit": self._fault_limit.state(),
            **self.first_state(),
            "firsts": self._firsts,
            "histories": {name: history.state() for name, history in self._histories.items()},
        }

    def first_state(self) -> dict[str, Any]:
        """What drift is compared with, and what it found, JSON-ready."""
        return {
            "drift": self._drift.state(),
            "rebaselined": self._rebaselined,
            "first_name": self._first_name,
            "first": {
                label: {
                    "names": list(names),
                    "centre": [float(f"{v:.6g}") if math.isfinite(v) else None for v in centre.tolist()],
                }
                for label, (names, centre) in self._first.items()
            },
        }

    def restore_first(self, state: Mapping[str, Any]) -> None:
        """Take over what `first_state` gave. Raises ModelStateError for anything else."""
        try:
            first = {
                str(label): (
                    tuple(str(name) for name in entry["names"]),
                    np.array([math.nan if v is None else float(v) for v in entry["centre"]]),
                )
                for label, entry in state["first"].items()
            }
            if len(first) > _MOST_STATES or any(len(names) != len(c) for names, c in first.values()):
                raise ValueError("centres must have their names, and there are too many states")
            self._drift.restore(state["drift"])
            name = str(state.get("first_name") or (_FIRST_EVER if first else ""))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelStateError(f"the first baseline cannot be read: {error}") from error
        self._first, self._rebaselined = first, bool(state.get("rebaselined", False))
        self._first_name = name

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave. Raises ModelStateError for anything else."""
        self.restore_first(state)
        try:
            self._firsts = int(state.get("firsts", len(self._first) > 0))
            self._limit.restore(state["limit"])
            if "fault_limit" in state:  # fault lines were not watched always
                self._fault_limit.restore(state["fault_limit"])
            for name, history in self._histories.items():
                history.restore(state["histories"][name])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelStateError(f"the channel's watch cannot be read: {error}") from error

    def _scaled(self, score: AnomalyScore) -> AnomalyScore:
        factor = self._limit.factor
        if factor == 1.0:
            return score
        shares = (score.contributions / factor).astype(np.float32)
        return replace(score, value=score.value / factor, contributions=shares)

    def _note_drift(
        self, features: FeatureVector, score: AnomalyScore, baseline: Baseline, mean: float
    ) -> None:
        assert score.rises is not None
        rises = score.rises.astype(np.float64)
        names, first = self._first_centre(features, baseline)
        if names != baseline.feature_names:
            return
        moved = baseline.centre - first
        present = figures_of_rises(rises)
        since_first = figures_of_rises(rises + moved)
        level = math.nan if "rms_mps2" not in names else float(first[names.index("rms_mps2")])
        bias = mean / 10.0 ** (level / 20.0) if math.isfinite(level) else math.nan
        if np.nanmax(np.abs(moved), initial=0.0) > _SAME_CENTRE:
            if not self._rebaselined:
                self._rebaselined = True
                self._begin_present()
            present |= {"score": score.value, "bias": bias}
        else:
            since_first |= {"score": score.value, "bias": bias}
        self._drift.observe(score.start_ns, since_first, present)

    def _begin_present(self) -> None:
        """A person had the channel learned anew: the promise and the scores' history begin again, too."""
        self._drift.rebaselined()
        self._limit = LimitWatch(self._promise)
        self._fault_limit = LimitWatch(self._fault_promise)
        self._confirmed.clear()
        self._histories["score"] = self._new_history()

    def _new_history(self) -> TrendHistory:
        return TrendHistory(self._settings.forecast_block_s, self._settings.drift.longest_step_s)

    def _first_centre(
        self, features: FeatureVector, baseline: Baseline
    ) -> tuple[tuple[str, ...], Float64Array]:
        label = features.operating_state
        if label not in self._first:
            if len(self._first) >= _MOST_STATES:
                return (), np.empty(0)
            if not self._first_name:
                self._firsts += 1
                self._first_name = f"first-{self._firsts}-{features.start_ns:x}"
            self._first[label] = (
                baseline.feature_names,
                baseline.centre.astype(np.float32).astype(np.float64),
            )
        return self._first[label]

    def _note(self, name: str, time_ns: int, level: float, boundary_level: float, boundary: str) -> None:
        """One value into a history; a forecast anew where it completed a block."""
        history = self._histories[name]
        if not history.observe(time_ns, level):
            return
        found = forecast(*history.blocks(), boundary_level, boundary)
        told = self._told.get(name)
        if told is not None and (isinstance(found, Abstention) or found.boundary != told.boundary):
            del self._told[name]
            reason = found.reason if isinstance(found, Abstention) else f"now {found.boundary} is foreseen"
            text = f"{told.boundary}: no forecast any more ({reason})"
            self.advisories.append(Advisory(self._channel_id, time_ns, told.boundary, None, text))
            told = None
        if isinstance(found, Forecast) and (told is None or _differs(found, told)):
            self._told[name] = found
            self.advisories.append(Advisory(self._channel_id, time_ns, found.boundary, found, found.text))


def _differs(one: Forecast, other: Forecast) -> bool:
    ratio = one.median_s / max(other.median_s, 1e-9)
    return not 1.0 / _CHANGED < ratio < _CHANGED
