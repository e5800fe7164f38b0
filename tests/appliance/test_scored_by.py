"""The machine's page says who gives the score: the detector, another one that was chosen, or a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from appliance.analysis import Findings
from appliance.machine_status import MachineStatus
from models.detector import AnomalyScore
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, channels

ROBUST = ("robust-baseline-1/1a2b", "numpy_reference")
KNN = ("knn on robust-baseline-1/1a2b", "numpy_reference")
NETWORK = ("demo-motor 9c8d on robust-baseline-1/1a2b", "onnxruntime")
ELSEWHERE = ("demo-motor 9c8d on robust-baseline-1/1a2b", "numpy_reference")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([], None),
        ([ROBUST], "statistical detector"),
        ([KNN], "statistical detector (knn)"),
        ([NETWORK], "network demo-motor 9c8d on onnxruntime"),
        ([NETWORK, ELSEWHERE], "network demo-motor 9c8d on numpy_reference"),
        ([NETWORK, ROBUST], "statistical detector"),
    ],
)
def test_the_newest_score_of_a_channel_says_it(scores: Sequence[tuple[str, str]], said: str | None) -> None:
    channel = channels(LOW_RATE_HZ, "x")[0]
    status = MachineStatus(MOTOR, [channel])
    for start_ns, (version, backend) in enumerate(scores):
        score = AnomalyScore(channel.channel_id, start_ns, 0.5, version, backend, np.zeros(1, np.float32))
        status.take_findings(Findings(scores=[score]))
    assert status.scored_by() == said


def test_channels_that_differ_are_both_named() -> None:
    own = channels(LOW_RATE_HZ, "xy")[:2]
    status = MachineStatus(MOTOR, own)
    for channel, (version, backend) in zip(own, (NETWORK, ROBUST), strict=True):
        score = AnomalyScore(channel.channel_id, 1, 0.5, version, backend, np.zeros(1, np.float32))
        status.take_findings(Findings(scores=[score]))
    assert status.scored_by() == "network demo-motor 9c8d on onnxruntime; statistical detector"
