"""What the alarm of a network says, and when: lost runtimes, with the first reason, until they serve."""

from __future__ import annotations

from appliance.alarms.network_rule import NetworkRule, RuntimeStanding, answering
from models.fallback_chain import TierState


def runtimes(*stands: tuple[str, TierState, str]) -> list[RuntimeStanding]:
    return [RuntimeStanding(*one) for one in stands]


CPU = ("numpy_reference", TierState.SERVING, "")
FINE = runtimes(("openvino", TierState.SERVING, ""), CPU)


def test_it_stands_from_the_loss_until_the_runtime_serves_again() -> None:
    rule = NetworkRule()
    assert rule.reason("", FINE, "10:00") == ""
    lost = runtimes(("openvino", TierState.DOWN, "died by SIGKILL"), CPU)
    first = rule.reason("", lost, "10:01")
    assert first == "openvino (first choice) died by SIGKILL, since 10:01; numpy_reference answers"
    for state, reason in ((TierState.STARTING, "died by SIGKILL"), (TierState.DOWN, "no such device")):
        still = runtimes(("openvino", state, reason), CPU)
        assert rule.reason("", still, "10:02") == first, "a crash loop is one alarm with its first reason"
    assert rule.reason("", FINE, "10:03") == ""
    again = rule.reason("", lost, "11:00")
    assert "since 11:00" in again


def test_a_first_start_and_a_late_call_are_no_alarm() -> None:
    rule = NetworkRule()
    for state, reason in (
        (TierState.DOWN, "not started yet"),
        (TierState.STARTING, "is starting"),
        (TierState.CHECKING, "is starting"),
        (TierState.LATE, "was late"),
        (TierState.CHECKING, "was late"),
    ):
        assert rule.reason("", runtimes(("openvino", state, reason), CPU), "10:00") == ""


def test_all_lost_says_that_the_statistical_detector_answers() -> None:
    rule = NetworkRule()
    gone = runtimes(
        ("openvino", TierState.DOWN, "died by SIGSEGV"), ("numpy_reference", TierState.DOWN, "hangs")
    )
    said = rule.reason("", gone, "10:00")
    assert said.endswith("; the statistical detector answers")
    assert "openvino (first choice) died by SIGSEGV" in said
    assert "numpy_reference hangs" in said
    assert answering([]) == "the statistical detector"


def test_a_bundle_that_cannot_be_used_says_who_answers() -> None:
    rule = NetworkRule()
    assert rule.reason("x.zip: damaged", [], "9:00") == (
        "x.zip: damaged, since 9:00; the statistical detector answers"
    )
    assert "since 9:00" in rule.reason("x.zip: damaged", [], "9:30")
    assert rule.reason("x.zip: damaged", FINE, "9:31").endswith("; openvino answers")
    assert rule.reason("", FINE, "9:32") == ""
