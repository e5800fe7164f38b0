"""Diagnosis over synthetic physics: the right part, in a technician's words; never a healthy machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np
import pytest

from dsp.bearing import BearingFault
from dsp.envelope import FaultEvidence, fault_evidence
from models.diagnosis import Diagnoser, Diagnosis, DiagnosisSettings, Verdict, fault_text
from models.errors import ModelStateError
from models.fault_claims import Claim
from models.machine import Machine
from tests.dsp.bearing_signals import (
    BEARING,
    RATE_HZ,
    SHAFT_HZ,
    gear_mesh,
    harmonics,
    impacts,
    noise,
    record,
    resonant_noise,
)

SETTINGS = DiagnosisSettings()
MACHINE = Machine("pump-7", "Pump 7", nominal_shaft_hz=SHAFT_HZ, bearing=BEARING)
N = int(SETTINGS.record_s * RATE_HZ)

Make = Callable[[np.random.Generator, int], np.ndarray]


def evidence_of(samples: np.ndarray, start_s: float = 0.0, shaft_hz: float = SHAFT_HZ) -> FaultEvidence:
    return fault_evidence(record(samples, start_s), shaft_hz, BEARING, SETTINGS.speed_tolerance)


def one_record(make: Make, seed: int) -> Diagnosis:
    diagnoser = Diagnoser(MACHINE, "pump.de", SETTINGS)
    return diagnoser.observe(evidence_of(make(np.random.default_rng(seed), N)), "", learning=False)


def background(rng: np.random.Generator, n: int) -> np.ndarray:
    return harmonics(rng, n) + resonant_noise(rng, n)


def knocks(rng: np.random.Generator, n: int) -> np.ndarray:
    """Random knocks in the neighbourhood: impacts, but without a period."""
    samples = background(rng, n)
    samples[rng.integers(0, n, 15)] += 30.0
    return samples


def rub(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise that swells once and twice per revolution."""
    turn = 2 * np.pi * SHAFT_HZ * np.arange(n) / RATE_HZ
    return resonant_noise(rng, n) * (1.0 + 0.8 * np.cos(turn) + 0.4 * np.cos(2 * turn)) + harmonics(rng, n)


def mains(rng: np.random.Generator, n: int) -> np.ndarray:
    """Magnetic pull: noise modulated at 100 Hz and its harmonics (4.07 x shaft)."""
    t = np.arange(n) / RATE_HZ
    swell = sum(np.cos(2 * np.pi * 100.0 * k * t + rng.uniform(0, 6)) / k for k in range(1, 6))
    return resonant_noise(rng, n) * (1.0 + 0.3 * np.clip(swell, -2, 2)) + harmonics(rng, n)


HEALTHY: dict[str, Make] = {
    "noise": noise,
    "resonance": resonant_noise,
    "harmonics": background,
    "gear": lambda rng, n: gear_mesh(rng, n) + background(rng, n),
    "quiet gear": lambda rng, n: gear_mesh(rng, n) + harmonics(rng, n) + 0.01 * resonant_noise(rng, n),
    "knocks": knocks,
    "rub": rub,
    "mains": mains,
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_machine_is_never_called(kind: str) -> None:
    found = [one_record(HEALTHY[kind], seed) for seed in range(12)]
    assert [diagnosis.text for diagnosis in found if diagnosis.verdict is Verdict.FAULT] == []
    assert all(diagnosis.fault is None for diagnosis in found)
    if kind in ("noise", "resonance", "harmonics"):
        assert sum(diagnosis.verdict is Verdict.HEALTHY for diagnosis in found) >= 11


@pytest.mark.parametrize(
    ("fault", "label"),
    [
        (BearingFault.OUTER_RACE, "BPFO"),
        (BearingFault.INNER_RACE, "BPFI"),
        (BearingFault.ROLLING_ELEMENT, "2xBSF"),
    ],
)
def test_without_a_baseline_the_part_is_named(fault: BearingFault, label: str) -> None:
    for seed in range(5):
        found = one_record(lambda rng, n: impacts(rng, n, fault) + background(rng, n), seed)
        assert found.verdict is Verdict.FAULT
        assert found.fault == fault.value
        assert found.ranking[0].fault == fault.value
        words = re.fullmatch(
            rf"{fault.value}, {label} at (\d\.\d\d) x shaft speed, \d+ dB above the noise floor, no baseline",
            found.text,
        )
        assert words, found.text
        assert float(words[1]) == pytest.approx(BEARING.of(fault), rel=0.01)
        assert found.over_baseline_db is None
        assert 0.7 < found.confidence < 1.0
        assert found.frequency_hz == pytest.approx(BEARING.of(fault) * SHAFT_HZ, rel=0.01)


def test_a_faint_line_is_not_called_without_a_baseline() -> None:
    found = one_record(lambda rng, n: 0.25 * impacts(rng, n, BearingFault.OUTER_RACE) + background(rng, n), 3)
    assert found.verdict is not Verdict.FAULT
    assert found.ranking[0].fault == "outer race"
    assert found.confidence <= 0.5


def growing_fault(
    strength: Callable[[float], float], records: int, learn: int, seed: int = 1
) -> list[Diagnosis]:
    diagnoser = Diagnoser(MACHINE, "pump.de", SETTINGS)
    found = []
    for k in range(records):
        rng = np.random.default_rng(1000 * seed + k)
        start_s = k * SETTINGS.record_hop_s
        samples = background(rng, N) + strength(start_s) * impacts(rng, N, BearingFault.OUTER_RACE)
        found.append(diagnoser.observe(evidence_of(samples, start_s), "", learning=k < learn))
    return found


def test_with_a_baseline_a_growing_line_is_called_early_and_told_since_when() -> None:
    found = growing_fault(lambda t: 0.0 if t < 40 else 0.02 * (t - 40), records=45, learn=15)
    called = [k for k, diagnosis in enumerate(found) if diagnosis.verdict is Verdict.FAULT]
    assert called
    assert called[0] >= 20, "called before the fault began"
    assert called == list(range(called[0], 45))
    first, last = found[called[0]], found[-1]
    assert first.fault == "outer race"
    assert first.over_baseline_db is not None
    assert first.over_baseline_db >= SETTINGS.rise_db
    assert " dB over baseline" in first.text
    assert last.over_baseline_db is not None
    assert last.over_baseline_db > first.over_baseline_db
    assert "outer race, BPFO at 3.57 x shaft speed, " in last.text
    rising_s = int(last.text.rsplit("rising for ", 1)[1].removesuffix(" s"))
    since_first_call_s = (last.start_ns - first.start_ns) / 1e9
    assert since_first_call_s <= rising_s <= 2 * 25 * SETTINGS.record_hop_s
    assert found[19].verdict is Verdict.HEALTHY
    assert found[19].confidence > 0.8


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(90.0, "90 s"), (580.0, "580 s"), (1500.0, "25 min"), (23_400.0, "6 h"), (280_800.0, "3 days")],
)
def test_how_long_it_rises_is_said_as_people_say_it(seconds: float, words: str) -> None:
    claim = Claim("outer race", 1.2, "BPFO", "BPFO", 3.58, 14.0)
    assert fault_text(claim, 14.0, seconds).endswith(f"14 dB over baseline, rising for {words}")


def test_a_steady_faint_line_is_part_of_the_baseline() -> None:
    found = growing_fault(lambda t: 0.25, records=30, learn=12)
    assert all(diagnosis.verdict is not Verdict.FAULT for diagnosis in found)
    late = [diagnosis.over_baseline_db for diagnosis in found[12:] if diagnosis.over_baseline_db is not None]
    assert max(late) < SETTINGS.rise_db


def test_a_fault_that_was_there_from_the_start_is_called_and_not_learned() -> None:
    found = growing_fault(lambda t: 1.0, records=14, learn=14)
    assert all(diagnosis.verdict is Verdict.FAULT for diagnosis in found)
    assert all("no baseline" in diagnosis.text for diagnosis in found)


def test_healthy_running_after_learning_is_not_called() -> None:
    found = growing_fault(lambda t: 0.0, records=40, learn=10, seed=7)
    assert [diagnosis.text for diagnosis in found if diagnosis.verdict is Verdict.FAULT] == []


def test_what_was_learned_survives_a_restart() -> None:
    diagnoser = Diagnoser(MACHINE, "pump.de", SETTINGS)
    rng = np.random.default_rng(5)
    for k in range(10):
        diagnoser.observe(evidence_of(background(rng, N), 2.0 * k), "slow", learning=True)
    restored = Diagnoser(MACHINE, "pump.de", SETTINGS)
    restored.restore(json.loads(json.dumps(diagnoser.state())))
    faulty = evidence_of(0.5 * impacts(rng, N, BearingFault.OUTER_RACE) + background(rng, N), 30.0)
    found = restored.observe(faulty, "slow", learning=False)
    assert found.verdict is Verdict.FAULT
    assert found.over_baseline_db is not None
    assert "no baseline" in restored.observe(faulty, "fast", learning=False).text


@pytest.mark.parametrize("state", [{}, {"version": 2}, {"version": 1}, {"version": 1, "baselines": 5}])
def test_a_foreign_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ModelStateError):
        Diagnoser(MACHINE, "pump.de").restore(state)


def test_unbalance_and_misalignment_need_a_baseline() -> None:
    t = np.arange(N) / RATE_HZ

    def samples(rng: np.random.Generator, first: float, second: float) -> np.ndarray:
        turn = 2 * np.pi * SHAFT_HZ * t
        return 0.3 * noise(rng, N) + first * np.sin(turn) + second * np.sin(2 * turn)

    def diagnoses(first: float, second: float, learn: bool) -> Diagnosis:
        diagnoser = Diagnoser(MACHINE, "pump.de", SETTINGS)
        rng = np.random.default_rng(1)
        for k in range(10):
            diagnoser.observe(evidence_of(samples(rng, 0.5, 0.3), 2.0 * k), "", learning=learn)
        now = evidence_of(samples(rng, first, second), 20.0)
        assert diagnoser.observe(now, "", learning=False).fault is None, "one odd record says nothing"
        return [diagnoser.observe(now, "", learning=False) for _ in range(6)][-1]

    assert diagnoses(2.5, 0.4, learn=True).fault == "unbalance"
    assert diagnoses(2.5, 0.4, learn=True).text.startswith("unbalance, 1x at 1.00 x shaft speed")
    assert diagnoses(0.6, 2.0, learn=True).fault == "misalignment"
    assert diagnoses(0.6, 0.35, learn=True).fault is None
    assert diagnoses(2.5, 0.4, learn=False).fault is None


def test_a_gear_that_modulates_its_mesh_needs_a_baseline_and_teeth() -> None:
    teeth = 37
    turn = 2 * np.pi * SHAFT_HZ * np.arange(N) / RATE_HZ

    def evidence(rng: np.random.Generator, modulation: float, level: float) -> FaultEvidence:
        mesh = level * (1.0 + modulation * np.cos(turn)) * np.sin(teeth * turn)
        window = record(background(rng, N) + mesh)
        return fault_evidence(window, SHAFT_HZ, BEARING, 0.01, gear_teeth=teeth)

    def diagnosed(modulation: float, level: float, learn: bool) -> Diagnosis:
        machine = Machine("gear-1", "Gear 1", bearing=BEARING, gear_teeth=teeth)
        diagnoser = Diagnoser(machine, "gear.de", SETTINGS)
        rng = np.random.default_rng(3)
        for _ in range(SETTINGS.baseline_records):
            diagnoser.observe(evidence(rng, 0.05, 1.0), "", learning=learn)
        return [diagnoser.observe(evidence(rng, modulation, level), "", learning=False) for _ in range(6)][-1]

    broken = diagnosed(0.5, 1.1, learn=True)
    assert broken.fault == "gear"
    assert broken.text.startswith("gear, sidebands of the gear mesh at 37.00 x shaft speed")
    assert diagnosed(0.05, 5.0, learn=True).fault is None
    assert diagnosed(0.5, 1.1, learn=False).fault is None


def test_blows_in_a_new_operating_state_are_no_gear_damage() -> None:
    """Two of its first three records: their median is no sound one yet."""
    teeth = 37
    machine = Machine("gear-1", "Gear 1", bearing=BEARING, gear_teeth=teeth)
    diagnoser = Diagnoser(machine, "gear.de", SETTINGS)
    rng = np.random.default_rng(3)
    t = np.arange(N) / RATE_HZ
    blow = np.where(t >= 1.0, 300.0 * np.exp(-100.0 * (t - 1.0)) * np.sin(2 * np.pi * 900.0 * t), 0.0)

    def diagnosed(state: str, hit: bool, learn: bool = False) -> Diagnosis:
        turn = 2 * np.pi * SHAFT_HZ * t + rng.uniform(0, 6)
        mesh = (1.0 + 0.05 * np.cos(turn)) * np.sin(teeth * turn)
        window = record(0.1 * background(rng, N) + mesh + (blow if hit else 0.0))
        evidence = fault_evidence(window, SHAFT_HZ, BEARING, 0.01, gear_teeth=teeth)
        return diagnoser.observe(evidence, state, learning=learn)

    for _ in range(SETTINGS.baseline_records):
        diagnosed("loaded", hit=False, learn=True)
    diagnosed("idle", hit=False)
    hit = [diagnosed("loaded", hit=one) for one in (True, False, True, True)]
    assert any(diagnoser.rises["mesh sidebands"] > SETTINGS.shaft_rise_db for _ in hit), "the blows count"
    assert all(one.fault != "gear" for one in hit)


def test_a_record_too_short_for_every_line_abstains() -> None:
    rng = np.random.default_rng(1)
    slow_hz = 3.0
    samples = background(rng, int(1.5 * RATE_HZ))
    evidence = fault_evidence(record(samples), slow_hz, BEARING, 0.01)
    found = Diagnoser(MACHINE, "pump.de", SETTINGS).observe(evidence, "", learning=False)
    assert found.verdict is Verdict.ABSTAIN
    assert "too short" in found.text
