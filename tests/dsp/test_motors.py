"""Electric lines of motors whose slip and lines are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.motors import motor_lines
from dsp.plain_spectrum import plain_spectrum
from tests.oracles.fourier import dft_line, hann

RATE_HZ = 2_560.0
SHAFT_HZ, LINE_HZ, POLES = 24.6, 50.0, 4  # slip 0.4 Hz, pole pass 1.6 Hz


def motor(
    seconds: float, *, sideband: float = 0.1, twice: float = 0.5, shaft_hz: float = SHAFT_HZ
) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pole_pass_hz = POLES * (2.0 * LINE_HZ / POLES - shaft_hz)
    x = np.cos(2 * np.pi * shaft_hz * t) + 0.3 * np.cos(2 * np.pi * 4 * shaft_hz * t + 1.0)
    x += twice * np.cos(2 * np.pi * 2 * LINE_HZ * t + 0.5)
    for side in (-1.0, 1.0):
        x += sideband * np.cos(2 * np.pi * (shaft_hz + side * pole_pass_hz) * t + side)
    bars_hz = 28 * shaft_hz
    for offset, amplitude in ((0.0, 0.2), (-2 * LINE_HZ, 0.05), (2 * LINE_HZ, 0.07)):
        x += amplitude * np.cos(2 * np.pi * (bars_hz + offset) * t)
    return x.astype(np.float32)


def test_all_lines_have_the_amplitudes_that_were_put_in() -> None:
    spectrum = plain_spectrum(motor(20.0), RATE_HZ)
    found = motor_lines(spectrum, SHAFT_HZ, LINE_HZ, rotor_bars=28)
    assert (found.slip_hz, found.pole_pass_hz) == (pytest.approx(0.4), pytest.approx(1.6))
    assert found.twice_line == pytest.approx(0.5, rel=0.02)
    assert found.pole_pass_sidebands == pytest.approx(0.1, rel=0.02)
    assert found.pole_pass_sidebands_db == pytest.approx(-20.0, abs=0.3)
    assert found.bar_pass == pytest.approx(0.2, rel=0.02)
    assert found.bar_pass_sidebands == pytest.approx(0.06, rel=0.02)
    assert found.remarks == ()


def test_a_line_equals_the_transform_by_definition() -> None:
    x = motor(4.0, shaft_hz=24.25)
    n = len(x)
    window = hann(n)
    k = round(2 * LINE_HZ * n / RATE_HZ)
    line = 2.0 * abs(dft_line([a * b for a, b in zip(x.tolist(), window, strict=True)], k)) / sum(window)
    assert motor_lines(plain_spectrum(x, RATE_HZ), 24.25, LINE_HZ).twice_line == pytest.approx(line, rel=0.01)


def test_what_a_short_record_cannot_tell_apart_is_said() -> None:
    """4x shaft (98.4 Hz) stands 1.6 Hz beside 2 x line: five bins are 3.1 s; at 1 s both are one line."""
    found = motor_lines(plain_spectrum(motor(1.0), RATE_HZ), SHAFT_HZ, LINE_HZ)
    assert math.isnan(found.twice_line)
    assert math.isnan(found.pole_pass_sidebands)
    assert found.remarks == (
        "2 x line not resolvable from 4x shaft: a record of 3.1 s or more is needed",
        "pole-pass sidebands not resolvable from 1x shaft: a record of 3.1 s or more is needed",
    )
    assert not motor_lines(plain_spectrum(motor(3.2), RATE_HZ), SHAFT_HZ, LINE_HZ).remarks
    at_no_load = motor_lines(plain_spectrum(motor(2.0, shaft_hz=25.0), RATE_HZ), 25.0, LINE_HZ)
    assert at_no_load.remarks[0] == "2 x line not resolvable: it stands on 4x shaft"
    # The harmonic itself is read within 0.3 % of where it should stand, however long the record.
    near = motor_lines(plain_spectrum(motor(20.0, shaft_hz=24.94), RATE_HZ), 24.94, LINE_HZ)
    assert near.remarks[0] == "2 x line not resolvable from 4x shaft: it stands 0.24 Hz beside it"


def test_a_skirt_is_no_line_and_neither_is_a_wander_s_twin() -> None:
    """No pull beside a strong 2x of two poles, at steady and at wandering speed: nothing stands there."""
    t = np.arange(round(4.0 * RATE_HZ)) / RATE_HZ
    noise = 0.01 * np.random.default_rng(3).standard_normal(len(t))

    def standing(wander_hz: float, pull: float) -> float:
        turn = 2 * np.pi * 49.3 * t + wander_hz / 0.7 * np.sin(2 * np.pi * 0.7 * t)
        x = 2.0 * np.sin(2 * turn) + 0.5 * np.sin(turn) + pull * np.sin(2 * np.pi * 2 * LINE_HZ * t) + noise
        return motor_lines(plain_spectrum(x.astype(np.float32), RATE_HZ), 49.3, LINE_HZ).twice_line_standing

    for wander_hz in (0.0, 0.05, 0.15, 0.25):
        assert standing(wander_hz, 0.0) < 4.0, wander_hz
        assert standing(wander_hz, 2.0) > 4.0, wander_hz


@pytest.mark.parametrize(("shaft_hz", "doubt"), [(46.5, 0.03), (23.0, 0.03), (49.9, 0.03)])
def test_a_plate_s_speed_tells_the_poles_of_small_motors_too(shaft_hz: float, doubt: float) -> None:
    """Over 7 % of slip: 3 % slower it would be no running motor."""
    spectrum = plain_spectrum(motor(4.0, shaft_hz=shaft_hz), RATE_HZ)
    found = motor_lines(spectrum, shaft_hz, LINE_HZ, speed_doubt_hz=doubt * shaft_hz)
    assert found.shaft_hz == pytest.approx(shaft_hz, abs=0.05)
    assert found.slip_hz < 0.1 * shaft_hz


@pytest.mark.parametrize(
    ("shaft_hz", "line_hz", "poles"), [(49.7, 50.0, 2), (24.6, 50.0, 4), (29.1, 60.0, 4), (16.3, 50.0, 6)]
)
def test_poles_follow_from_the_speeds(shaft_hz: float, line_hz: float, poles: int) -> None:
    found = motor_lines(plain_spectrum(motor(8.0), RATE_HZ), shaft_hz, line_hz)
    assert found.slip_hz == pytest.approx(2.0 * line_hz / poles - shaft_hz)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [((26.0, 50.0, 4), "slip of -4.0 %"), ((20.0, 50.0, 4), "20.0 %"), ((24.6, 50.0, 3), "even"),
     ((0.0, 50.0), "shaft_hz"), ((24.6, float("nan")), "line_frequency_hz")],
)  # fmt: skip
def test_motors_that_cannot_be_are_refused(arguments: tuple[float, ...], reason: str) -> None:
    with pytest.raises(DspError, match=reason):
        motor_lines(plain_spectrum(motor(2.0), RATE_HZ), *arguments)
