"""The order of deciding and looking, the names of metrics, and intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import commands
from models import evaluation, training
from models.errors import EvaluationError
from models.evaluation.protocols import PROTOCOLS
from models.evaluation.result import (
    METRICS,
    NOT_BUILT,
    Rate,
    TaskResult,
    not_built,
    upper_bound_of_none,
    wilson_interval,
)
from models.evaluation.sealed import RevealedLabel, SealedLabel


def sealed(state: str) -> SealedLabel:
    label = {"state": state, "fault": "outer race", "grade": "Y1"}
    return SealedLabel(RevealedLabel(label, {"anomaly": np.array([0.0, 1.0])}))


def test_a_label_is_seen_after_the_decision_and_no_decision_after_the_label() -> None:
    label = sealed("faulty")
    with pytest.raises(EvaluationError, match="before looking"):
        label.reveal()
    label.write("rules", 0.7)
    with pytest.raises(EvaluationError, match="written already"):
        label.write("rules", 0.8)
    seen = label.reveal()
    assert (seen.state, seen.fault, seen.grade) == ("faulty", "outer race", "Y1")
    assert seen.columns["anomaly"].tolist() == [0.0, 1.0]
    with pytest.raises(EvaluationError, match="after the label"):
        label.write("baseline:late", 0.9)
    assert label.decision("rules") == pytest.approx(0.7)
    with pytest.raises(EvaluationError, match="baseline:late"):
        label.decision("baseline:late")


def test_training_may_ask_what_is_healthy_and_what_is_unknown_and_no_more() -> None:
    assert sealed("healthy").trains
    assert not sealed("faulty").trains
    assert sealed("unknown").unknown
    readable = {name for name in dir(SealedLabel) if not name.startswith("_")}
    assert readable == {"decision", "reveal", "taught", "trains", "unknown", "write"}


def test_only_the_supervised_task_of_pictures_is_taught_labels() -> None:
    """Everywhere else a label is seen after the last decision alone."""
    folders = [Path(package.__path__[0]) for package in (evaluation, training, commands)]
    files = [path for folder in folders for path in folder.glob("*.py")]
    users = {path.name for path in files if ".taught()" in path.read_text(encoding="utf-8")}
    assert users == {"visual_classification_protocol.py"}


@pytest.mark.parametrize("variant", ["", "magic", "baseline:"])
def test_a_variant_of_no_known_kind_is_refused(variant: str) -> None:
    with pytest.raises(EvaluationError, match="variant"):
        TaskResult("d", "slow_tag", variant, {"windows_hit": 1, "windows": 1, "false_events": 0}, {})


def test_a_metric_that_is_owed_cannot_be_left_out() -> None:
    with pytest.raises(EvaluationError, match="false_events"):
        TaskResult("d", "slow_tag", "rules", {"windows_hit": 1, "windows": 1}, {})
    assert not_built("d", "whatever", 3).variant == NOT_BUILT


def test_intervals_of_rates() -> None:
    low, high = wilson_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert Rate("wrong", 0, 300).interval == (0.0, pytest.approx(0.01))
    assert upper_bound_of_none(2) == 1.0
    assert Rate("right", 8, 10).interval == (low, high)


def test_each_task_has_one_protocol_and_each_protocol_names_its_settings() -> None:
    served = [task for protocol in PROTOCOLS for task in protocol.tasks]
    assert len(served) == len(set(served))
    assert set(served) <= set(METRICS)
    assert all(protocol.settings() for protocol in PROTOCOLS)
