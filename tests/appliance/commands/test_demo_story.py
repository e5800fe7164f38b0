"""The demo's story and the lines it is told from."""

from __future__ import annotations

from appliance.commands.demo_story import DemoStory


def learning(percent: float, complete: bool = False) -> dict[str, object]:
    return {"type": "learning", "percent": percent, "complete": complete, "text": f"{percent}"}


def alarm(what: str, fault: str | None = "outer race") -> dict[str, object]:
    return {
        "type": "alarm",
        "what": what,
        "actor": "eva",
        "severity": "warn",
        "fault": fault,
        "text": "outer race",
    }


def test_fault_begins_once_and_only_after_the_baseline_is_learned() -> None:
    story = DemoStory("http://x/")
    steps = [step for percent in (0, 40, 99.9) for step in story.follow(learning(percent), 7)]
    assert not any(step.begin_fault for step in steps)
    done = story.follow(learning(100, complete=True), 7)
    assert [step.begin_fault for step in done] == [False, True]
    assert done[1].line["type"] == "fault_started"
    # the appliance was killed and came back with its baseline
    assert not any(step.begin_fault for step in story.follow(learning(100, complete=True), 8))


def test_with_a_network_the_commands_that_switch_it_come_once_before_the_fault() -> None:
    story = DemoStory("http://x/", ("stethos models use statistical --config /x",))
    done = story.follow(learning(100, complete=True), 7)
    assert [step.line["type"] for step in done] == ["learning", "switch", "fault_started"]
    assert done[1].line["commands"] == ["stethos models use statistical --config /x"]
    assert "\n            stethos models use statistical --config /x" in done[1].words
    assert len(story.follow(learning(100, complete=True), 8)) == 1


def test_hint_comes_with_the_first_named_alarm() -> None:
    story = DemoStory("http://x/")
    assert [step.line["type"] for step in story.follow(alarm("raised", fault=None), 7)] == ["alarm"]
    steps = story.follow(alarm("updated"), 7)
    assert [step.line["type"] for step in steps] == ["alarm", "hint"]
    assert "kill -9 7" in steps[1].words
    assert "http://x/" in steps[1].words
    assert [step.line["type"] for step in story.follow(alarm("updated"), 7)] == ["alarm"]


def test_learning_is_told_in_steps_not_in_every_line() -> None:
    story = DemoStory("")
    told = [story.follow(learning(percent), 7)[0].words for percent in (0.0, 5.0, 9.9, 10.0, 19.0, 25.0)]
    assert [bool(words) for words in told] == [True, False, False, True, False, True]


def test_acknowledgement_and_restart_are_told() -> None:
    story = DemoStory("")
    assert "eva" in story.follow(alarm("acknowledged"), 7)[0].words
    standing = {"type": "standing", "text": "outer race", "acknowledged_by": "eva"}
    assert "acknowledged by eva" in story.follow(standing, 8)[0].words
