"""The joined envelope of consecutive records: a slow cage's line, in bounded memory, never across a gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from dsp.bearing import BearingFault
from dsp.envelope import FaultEvidence, fault_evidence
from dsp.envelope_history import (
    HIGHEST_ORDER,
    LONGEST_S,
    OVERSAMPLING,
    EnvelopeHistory,
    decimated_envelope,
    joined_spectrum,
)
from dsp.fault_comb import LABELS, needed_record_s
from dsp.framing import Window
from models.diagnosis import Diagnoser, DiagnosisSettings
from models.machine import Machine
from models.recording_records import recording_records
from tests.dsp.bearing_signals import BEARING, RATE_HZ, impacts, record, resonant_noise

SLOW_HZ = 10.0  # 600 r/min: usual records of 4 s are too short for the cage, even for its harmonics
SETTINGS = DiagnosisSettings()


def vibration(seconds: float, fault: BearingFault | None, strength: float, shaft_hz: float) -> np.ndarray:
    rng = np.random.default_rng(6)
    n = round(seconds * RATE_HZ)
    x = resonant_noise(rng, n)
    if fault is BearingFault.CAGE:  # a cage that rubs once a turn of its own
        turn = 2 * np.pi * shaft_hz * BEARING.ftf * np.arange(n) / RATE_HZ
        x *= 1.0 + strength * (np.cos(turn) + 0.6 * np.cos(2 * turn) + 0.4 * np.cos(3 * turn))
    elif fault is not None:
        x += strength * impacts(rng, n, fault, shaft_hz=shaft_hz, jitter=5e-4)
    return x.astype(np.float32)


def records(samples: np.ndarray) -> Iterator[Window]:
    yield from recording_records("pump.de", [samples], RATE_HZ, SETTINGS)


def evidences(samples: np.ndarray, shaft_hz: float, history: EnvelopeHistory) -> Iterator[FaultEvidence]:
    for one in records(samples):
        yield history.extended(one, fault_evidence(one, shaft_hz, BEARING, 0.01))


def test_a_slow_cage_is_not_resolvable_until_the_joined_record_is_long_enough() -> None:
    history = EnvelopeHistory()
    diagnoser = Diagnoser(Machine("m", "m", bearing=BEARING), "c", SETTINGS)
    first_s, found, diagnosis = 0.0, None, None
    for evidence in evidences(vibration(46.0, BearingFault.CAGE, 0.4, SLOW_HZ), SLOW_HZ, history):
        diagnosis = diagnoser.observe(evidence, "", learning=False)
        assert not evidence.lines[-1].resolvable  # of a record alone
        if evidence.cage is None:
            assert diagnosis.fault is None
            assert not diagnoser.lines[-1].resolvable
            continue
        first_s = first_s or history.duration_s
        found = evidence.cage
    assert found is not None
    assert diagnosis is not None
    needed_s = needed_record_s(BEARING.ftf, SLOW_HZ, 0.015)
    assert needed_s == pytest.approx(33.5, abs=0.5)
    assert needed_s - 2.5 < first_s < needed_s + 2.5
    assert found.fundamental_resolved
    assert found.multiplier == pytest.approx(BEARING.ftf, rel=0.008)
    assert found.level_db > SETTINGS.cage_alone_db
    assert diagnosis.fault == "cage"
    assert [line.label for line in diagnoser.lines] == list(LABELS.values())


@pytest.mark.parametrize("fault", [None, BearingFault.OUTER_RACE])
def test_what_is_no_cage_is_called_none(fault: BearingFault | None) -> None:
    for evidence in evidences(vibration(46.0, fault, 1.0, SLOW_HZ), SLOW_HZ, EnvelopeHistory()):
        if evidence.cage is not None:
            assert evidence.cage.level_db < SETTINGS.cage_db
            return
    pytest.fail("the joined record never became long enough")


@pytest.mark.parametrize("shaft_hz", [30.0, SLOW_HZ])
def test_memory_is_bounded_whatever_the_speed(shaft_hz: float) -> None:
    """Two minutes of records: what is kept stays below 160 kB and 60 s."""
    history = EnvelopeHistory()
    one = next(records(vibration(4.0, None, 0.0, shaft_hz)))
    evidence = fault_evidence(one, shaft_hz, BEARING, 0.01)
    sizes = []
    for second in range(0, 120, 2):
        history.extended(replace(one, start_ns=second * 10**9), evidence)
        sizes.append(history.kept_bytes)
    assert max(sizes) < 160_000
    assert sizes[-1] == max(sizes[-10:])
    assert 1.0 < history.duration_s * shaft_hz * BEARING.ftf * 0.01 / 2.0 < 1.3 or history.duration_s > 55.0
    assert history.duration_s < LONGEST_S + 2.0


def test_a_gap_or_another_speed_begins_anew() -> None:
    history = EnvelopeHistory()
    one = next(records(vibration(4.0, None, 0.0, 30.0)))
    evidence = fault_evidence(one, 30.0, BEARING, 0.01)

    def take(second: float, shaft_hz: float = 30.0) -> float:
        shifted = replace(one, start_ns=round(second * 1e9))
        history.extended(shifted, replace(evidence, shaft_hz=shaft_hz))
        return history.duration_s

    assert take(0.0) == pytest.approx(3.0)
    assert take(2.0) == pytest.approx(5.0)
    assert take(4.0 + 1e-5) == pytest.approx(7.0)  # a clock's fit moves by microseconds
    assert take(9.0) == pytest.approx(3.0)
    assert take(11.0, 30.1) == pytest.approx(5.0)
    assert take(13.0, 31.0) == pytest.approx(3.0)
    assert take(13.0, 31.0) == pytest.approx(3.0)  # the same record once more is no new stretch


def test_records_that_are_long_enough_or_cages_too_slow_are_left_as_they_are() -> None:
    history = EnvelopeHistory()
    one = next(records(vibration(4.0, None, 0.0, 30.0)))
    evidence = fault_evidence(one, 30.0, BEARING, 0.01)
    long = replace(evidence, duration_s=20.0)
    assert history.extended(one, long) is long
    crawling = replace(evidence, shaft_hz=1.0)
    assert history.extended(one, crawling) is crawling
    assert history.kept_bytes == 0


def test_a_modulated_noise_s_line_stands_where_it_is() -> None:
    """Noise of 30 % modulation at 7.3 Hz: 57 % of the squared envelope, of which whitening takes a part."""
    rng = np.random.default_rng(1)
    t = np.arange(round(16.0 * RATE_HZ)) / RATE_HZ
    x = (rng.normal(size=len(t)) * (1.0 + 0.3 * np.cos(2 * np.pi * 7.3 * t))).astype(np.float32)
    shaft_hz = 18.0
    envelope = decimated_envelope(x, RATE_HZ, HIGHEST_ORDER * shaft_hz * OVERSAMPLING)
    assert envelope is not None
    assert envelope.mean(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    spectrum = joined_spectrum(envelope, envelope.shape[1] / 16.0, shaft_hz)
    at = int(np.argmax(spectrum.prominence))
    assert at * spectrum.step_hz == pytest.approx(7.3, abs=spectrum.step_hz)
    assert 0.6 < spectrum.depth[at] / (0.6 / (1 + 0.3**2 / 2)) < 1.0
    assert spectrum.prominence[at] > 100.0


@pytest.mark.parametrize("x", [np.zeros(102_400), np.full(102_400, np.nan), np.ones(102_400)])
def test_what_is_no_signal_is_joined_to_nothing(x: np.ndarray) -> None:
    assert decimated_envelope(x.astype(np.float32), RATE_HZ, 200.0) is None
    history = EnvelopeHistory()
    evidence = fault_evidence(record(vibration(4.0, None, 0.0, 30.0)), 30.0, BEARING, 0.01)
    assert history.extended(record(x), evidence) is evidence
    assert history.duration_s == 0.0
