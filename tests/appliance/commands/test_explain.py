"""`explain`: the verdict of `analyse` and `evaluate` taken apart, and limits of a journal with their age."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.clock import ReplayClock, SystemClock
from appliance.commands.explain import limit_text
from appliance.commands.explain_limits import LearnedLimit
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.limit_records import version_record
from appliance.limit_versions import LimitAction, LimitKey, LimitVersion
from dsp.bearing import BearingFault
from models.diagnosis import Diagnoser, Verdict
from models.explanation import explained
from models.machine import Machine
from models.recording_diagnosis import diagnosed_recording
from tests.appliance.journal.builders import QUICK, SMALL, START_NS
from tests.dsp.bearing_signals import BEARING, RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise

RACES_AND_ELEMENT = (BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT)
CHANNEL = "press.de.x"
OPTIONS = ["--speed", f"{SHAFT_HZ}Hz", "--multipliers",
           f"{BEARING.bpfo},{BEARING.bpfi},{BEARING.bsf},{BEARING.ftf}"]  # fmt: skip
MACHINE = Machine("press", "press", bearing=BEARING)


def samples(fault: BearingFault | None, seed: int = 1, seconds: float = 9.0, part: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE_HZ)
    signal = harmonics(rng, n) + resonant_noise(rng, n)
    if fault is not None:
        signal = signal + part * impacts(rng, n, fault)
    return signal.astype(np.float32)


def write(path: Path, signal: np.ndarray) -> Path:
    np.savez(path, x=signal[:, None], fs=RATE_HZ, channels=["de"])
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["explain", "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def learned_document(windows: int = 5) -> dict[str, Any]:
    """What an appliance would have stored of one channel: lines learned from healthy records."""
    from dsp.envelope import fault_evidence
    from models.diagnosis_settings import DiagnosisSettings
    from models.recording_records import recording_records

    diagnoser, settings = Diagnoser(MACHINE, CHANNEL), DiagnosisSettings()
    for record in recording_records(CHANNEL, [samples(None, 5, 30.0)], RATE_HZ, settings):
        diagnoser.observe(fault_evidence(record, SHAFT_HZ, BEARING, 0.03), "steady", learning=True)
    entry = {"channel_id": CHANNEL, "operating_state": "steady", "baseline": "robust", "learned_s": 7200.0,
             "confirmed_s": 60.0, "windows": windows}  # fmt: skip
    return {"detector": {"learned": [entry]}, "diagnoser": diagnoser.state()}


@pytest.fixture
async def state_dir(tmp_path: Path) -> Path:
    clock = SystemClock()
    journal = await Journal.open(tmp_path / "state" / "journal", SMALL, clock, QUICK)
    document = learned_document()
    half = json.loads(json.dumps(document))
    half["detector"]["learned"][0]["baseline"] = None
    for number, content in enumerate((half, document, document)):
        record = NewRecord(
            RecordClass.LIMIT, RecordKind.LEARNED_LIMIT, f"limit/{CHANNEL}/{number}", CHANNEL,
            clock.monotonic_ns(), json.dumps(content).encode(),
        )  # fmt: skip
        await journal.commit([record])
    await journal.close()
    return tmp_path / "state"


@pytest.mark.parametrize("fault", [BearingFault.OUTER_RACE, BearingFault.INNER_RACE])
def test_a_call_names_its_conditions(
    fault: BearingFault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = said(capsys, str(write(tmp_path / "a.npz", samples(fault))), *OPTIONS)
    assert (found["verdict"], found["fault"]) == ("fault", fault.value)
    assert found["faults"][0]["fault"] == fault.value
    (comb,) = found["faults"][0]["signs"]
    assert comb["met"]
    assert {condition["what"] for condition in comb["conditions"]} >= {
        "comb over the floor", "against the best decoy comb", "first harmonic over the floor",
    }  # fmt: skip
    assert found["shaft"]["speed_hz"] == pytest.approx(SHAFT_HZ, rel=0.01)
    assert found["band_hz"][1] > 10_000
    assert found["limits"] == []


@pytest.mark.parametrize("fault", [None, *RACES_AND_ELEMENT])
@pytest.mark.parametrize("part", [0.12, 0.3, 1.0])
def test_conditions_agree_with_the_verdict(fault: BearingFault | None, part: float) -> None:
    """A fault is called exactly where all conditions of one of its signs are met."""
    product = diagnosed_recording([samples(fault, 3, 9.0, part)], RATE_HZ, MACHINE, SHAFT_HZ)
    explanation = explained(product)
    met = {one.fault for one in explanation.faults if any(sign.met for sign in one.signs)}
    assert (product.diagnosis.verdict is Verdict.FAULT) == bool(met)
    if met:
        assert product.diagnosis.fault in met
    assert explanation.reasons
    assert [one.evidence for one in explanation.faults if one.evidence > 0] == sorted(
        (one.evidence for one in explanation.faults if one.evidence > 0), reverse=True
    )


def test_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(write(tmp_path / "a.npz", samples(None))), *OPTIONS]) == 0
    printed = capsys.readouterr().out
    for words in (
        "healthy",
        "many faults show no line",
        "outer race",
        "needed",
        "refined by",
        "records  4 used",
    ):
        assert words in printed


def test_limits_of_the_journal_with_their_age(
    state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "a.npz", samples(BearingFault.OUTER_RACE, part=0.35))
    journal = ["--state", str(state_dir)]
    alone = said(capsys, str(file), *OPTIONS, *journal)
    (limit,) = alone["limits"]
    assert (limit["channel"], limit["operating_state"], limit["complete"]) == (CHANNEL, "steady", True)
    assert limit["learned_s"] == 7200.0
    assert 0 <= limit["age_s"] < 600
    assert alone["rises_db"] == {}
    beside = said(capsys, str(file), *OPTIONS, *journal, "--like", CHANNEL)
    assert beside["rises_db"]["BPFO"] > 6.0
    whats = [c["what"] for sign in beside["faults"][0]["signs"] for c in sign["conditions"]]
    assert "rise over its baseline" in whats
    assert beside["fault"] == "outer race"


async def test_what_healthy_running_settled_judges_a_recording_as_it_judges_live_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Called at the usual limit; by one that was settled higher two days ago it is too weak."""
    day_ns = 86_400 * 10**9
    file = str(write(tmp_path / "a.npz", samples(BearingFault.OUTER_RACE, part=0.35)))
    clock = ReplayClock(START_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, QUICK)
    found: dict[int, dict[str, Any]] = {}
    for day, factor in ((0, 1.0), (3, 1.5), (4, 1.5)):
        clock.set(day * day_ns)
        watched = {"watch": {"fault_limit": {"factor": factor}}}
        payload = json.dumps({**learned_document(), **watched}).encode()
        limit = NewRecord(RecordClass.LIMIT, RecordKind.LEARNED_LIMIT, f"limit/{day}", CHANNEL,
                          day * day_ns, payload)  # fmt: skip
        await journal.commit([limit])
    await journal.close()

    def at(day: int) -> list[str]:
        moment = datetime.fromtimestamp((START_NS + day * day_ns) / 1e9, UTC).isoformat()
        return [file, *OPTIONS, "--state", str(tmp_path), "--like", CHANNEL, "--at", moment]

    found = {day: said(capsys, *at(day)) for day in (1, 5)}
    assert (found[1]["verdict"], found[1]["fault"]) == ("fault", "outer race")
    usual = found[1]["faults"][0]["evidence"]
    assert 1.0 <= usual < 1.5
    assert (found[5]["verdict"], found[5]["fault"]) == ("abstain", None)
    assert "too weak to call by the limit that healthy running settled" in found[5]["text"]
    assert found[5]["faults"][0]["evidence"] == pytest.approx(usual / 1.5, abs=0.002)
    (lacking,) = [c for c in found[5]["faults"][0]["signs"][0]["conditions"] if not c["met"]]
    assert "healthy running settled higher" in lacking["what"]
    assert found[5]["fault_line_limits"] == [
        {"channel": CHANNEL, "factor": 1.5, "age_s": 2 * 86_400, "age_trusted": True}
    ]
    assert main(["explain", *at(5)]) == 0
    printed = capsys.readouterr().out.replace("\n", " ")
    assert (
        "fault lines: called at 150 % of the usual limit, settled by healthy running; 2 days old" in printed
    )
    assert main(["explain", *at(1)]) == 0
    assert "fault lines: called at the usual limit" in capsys.readouterr().out.replace("\n", " ")


async def test_what_a_person_did_to_a_limit_is_said(
    state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = LimitVersion("press", LimitKey(CHANNEL, "steady"), 2, LimitAction.RAISED, "anna",
                           "new coupling", "c1", "robust", 1.3, True, False, 7200.0, 5, True)  # fmt: skip
    journal = await Journal.open(state_dir / "journal", SMALL, SystemClock(), QUICK)
    await journal.commit([version_record(version, 1, None, "")])
    await journal.close()
    file = str(write(tmp_path / "a.npz", samples(None, seconds=2.0)))
    (limit,) = said(capsys, file, *OPTIONS, "--state", str(state_dir))["limits"]
    assert limit["in_force"]["said"] == "limit raised to 130 % by anna: new coupling"
    assert (limit["in_force"]["version"], limit["in_force"]["factor"]) == (2, 1.3)
    assert (limit["in_force"]["actor"], limit["in_force"]["locked"]) == ("anna", False)
    assert main(["explain", file, *OPTIONS, "--state", str(state_dir)]) == 0
    assert "raised to 130 % by anna: new coupling" in capsys.readouterr().out.replace("\n", " ")


async def test_the_limits_in_force_at_a_time_and_their_age_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Learned on day 0, raised on day 10, locked on day 20: on day 12 it had been raised for two days."""
    day_ns = 86_400 * 10**9
    clock = ReplayClock(START_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, QUICK)
    document = json.dumps(learned_document()).encode()
    steps = [(0, LimitAction.LEARNED, "appliance", 1.0), (10, LimitAction.RAISED, "anna", 1.3),
             (20, LimitAction.LOCKED, "bert", 1.3)]  # fmt: skip
    for number, (day, action, actor, factor) in enumerate(steps, 1):
        clock.set(day * day_ns)
        key = LimitKey(CHANNEL, "steady")
        version = LimitVersion("press", key, number, action, actor, "why", f"c{number}",
                               "robust", factor, number > 1, number > 2, 7200.0, 5, True)  # fmt: skip
        limit = NewRecord(RecordClass.LIMIT, RecordKind.LEARNED_LIMIT, f"limit/{number}", CHANNEL,
                          day * day_ns, document)  # fmt: skip
        await journal.commit([limit, version_record(version, day * day_ns, None, "")])
    await journal.close()
    file = str(write(tmp_path / "a.npz", samples(None, seconds=2.0)))

    def at(day: float) -> list[str]:
        moment = datetime.fromtimestamp((START_NS + round(day * day_ns)) / 1e9, UTC).isoformat()
        return [file, *OPTIONS, "--state", str(tmp_path), "--at", moment]

    found = {day: said(capsys, *at(day))["limits"][0] for day in (1.0, 12.0, 21.0)}
    assert [one["in_force"]["version"] for one in found.values()] == [1, 2, 3]
    assert [one["in_force"]["factor"] for one in found.values()] == [1.0, 1.3, 1.3]
    assert [one["in_force"]["locked"] for one in found.values()] == [False, False, True]
    assert [round(one["in_force"]["age_s"] / 86_400) for one in found.values()] == [1, 2, 1]
    assert [round(one["age_s"] / 86_400) for one in found.values()] == [1, 12, 21]
    assert main(["explain", *at(12.0)]) == 0
    printed = capsys.readouterr().out.replace("\n", " ")
    assert "12 days old" in printed
    assert (
        "version 2 in force for 2 days (at 130 % of what was learned, provisional):"
        " limit raised to 130 % by anna: why"
    ) in printed
    assert main(["explain", *at(-1.0)]) == 2
    assert "nothing that was learned of 'press.de.x' by then" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--like", CHANNEL], "--state DIR or --config CONFIG"),
        (["--at", "2026-03-01"], "--state DIR or --config CONFIG"),
        (["--state", "STATE", "--at", "yesterday"], "--at 'yesterday' is no time"),
        (["--state", "STATE", "--like", "fan.x"], "it holds those of 'press.de.x'"),
        (["--state", "STATE", "--like", CHANNEL, "--operating-state", "fast"], "use 'steady'"),
        (["--state", "/nowhere"], "there is no journal"),
        (["--speed", "fast"], "--speed 'fast' is no speed"),
    ],
)
def test_what_cannot_be_used_is_said(
    state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    file = write(tmp_path / "a.npz", samples(None, seconds=2.0))
    chosen = [str(state_dir) if option == "STATE" else option for option in options]
    assert main(["explain", str(file), *OPTIONS, *chosen]) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")


def test_an_age_in_words() -> None:
    now_ns = time.time_ns()
    limit = LearnedLimit("p.x", "a", True, 7200.0, 172_800.0, 40, now_ns - 12 * 86_400 * 10**9, False)
    text = limit_text(limit, now_ns)
    assert text == (
        "p.x, state 'a': learned from 40 windows in 2.0 h, 12 days old, by a clock that was not set, "
        "run below it for 2 days since"
    )
