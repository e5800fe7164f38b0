"""`stethos analyse` with a tacho or a speed channel: orders of a run-up, its average and what is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.__main__ import main
from dsp.tacho import angle_from_pulses, pulse_times_s
from models.order_report import LEAST_REVOLUTIONS, order_report, speed_remark
from tests.dsp.bearing_signals import RATE_HZ

SECONDS, SLOW_HZ, FAST_HZ, TEETH = 8.0, 20.0, 30.0, 23
NOISE = 0.1
TURNS_TO = 0.5 * (SLOW_HZ + FAST_HZ) * SECONDS


def turns() -> np.ndarray:
    """Revolutions of a run-up from 20 to 30 Hz."""
    t = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    return SLOW_HZ * t + 0.5 * (FAST_HZ - SLOW_HZ) / SECONDS * t * t


def vibration() -> np.ndarray:
    """1x of 2, 3x of 0.5, mesh of 1 with sidebands of 0.15, and what is not bound to the shaft."""
    angle = 2 * np.pi * turns()
    mesh = (1.0 + 0.3 * np.cos(angle)) * np.cos(TEETH * angle)
    noise = NOISE * np.random.default_rng(3).normal(size=len(angle))
    return 2.0 * np.cos(angle + 0.4) + 0.5 * np.sin(3 * angle) + mesh + noise


def pulses(per_revolution: int = 1) -> np.ndarray:
    return 5.0 * ((turns() * per_revolution) % 1.0 < 0.3)


def recording(path: Path, **channels: np.ndarray) -> Path:
    x = np.stack(list(channels.values()), axis=1).astype(np.float32)
    np.savez(path, x=x, fs=RATE_HZ, channels=np.array(list(channels)))
    return path


def analysed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["analyse", "--json", "--gear-teeth", str(TEETH), *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("channel", "options"),
    [
        (pulses(1), ["--tacho", "key"]),
        (pulses(4), ["--tacho", "1", "--pulses-per-rev", "4"]),
        (60.0 * np.gradient(turns()) * RATE_HZ / 9.80665, ["--speed-channel", "key", "--unit", "g"]),
        (np.gradient(turns()) * RATE_HZ, ["--speed-channel", "key", "--speed-unit", "Hz"]),
    ],
    ids=["a pulse a turn", "four pulses", "rpm in a file in g", "Hz"],
)
def test_a_run_up_has_the_orders_that_were_put_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], channel: np.ndarray, options: list[str]
) -> None:
    in_g = "g" in options
    if in_g:
        channel = channel * 9.80665  # the file's own figures are rpm whatever the vibration's unit is
    path = recording(tmp_path / "runup.npz", de=vibration() / (9.80665 if in_g else 1.0), key=channel)
    (found,) = analysed(capsys, str(path), *options)  # the shaft's channel is no vibration
    orders = found["orders"]
    assert found["shaft"]["speed_hz"] == pytest.approx(25.0, rel=2e-3)
    assert found["shaft"]["origin"].startswith("measured")
    assert orders["lines"]["1x"] == pytest.approx(2.0, rel=0.02)
    assert orders["lines"]["3x"] == pytest.approx(0.5, rel=0.02)
    assert orders["lines"]["mesh"] == pytest.approx(1.0, rel=0.02)
    assert orders["lines"]["sideband_index"] == pytest.approx(0.15, rel=0.03)
    assert orders["lines"]["2x"] < 0.02
    bound = np.sqrt(0.5 * (4.0 + 0.25 + 1.0 + 2 * 0.15**2))
    assert orders["synchronous_rms"] == pytest.approx(bound, rel=0.01)
    assert orders["residual_share"] < 0.01
    assert orders["residual_rms"] < 1.6 * NOISE
    assert orders["highest_orders"][0]["order"] == pytest.approx(1.0, abs=0.02)
    assert "speed varied" in " ".join(orders["remarks"])


def test_over_frequency_the_same_lines_are_smeared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recording(tmp_path / "runup.npz", de=vibration(), key=pulses())
    (found,) = analysed(capsys, str(path), "--tacho", "key")
    assert found["machine_lines"]["1x"] < 0.5 * found["orders"]["lines"]["1x"]


def test_impacts_that_are_not_bound_to_the_shaft_stay_in_the_residual() -> None:
    rng = np.random.default_rng(5)
    angle = angle_from_pulses(pulse_times_s(pulses(), RATE_HZ))
    x = vibration()
    quiet = order_report(x.astype(np.float32), RATE_HZ, angle, "tacho")
    assert quiet.residual_kurtosis == pytest.approx(3.0, abs=0.3)
    x[rng.integers(0, len(x), 300)] += 6.0
    struck = order_report(x.astype(np.float32), RATE_HZ, angle, "tacho")
    assert struck.residual_kurtosis > 2 * quiet.residual_kurtosis
    assert struck.synchronous_rms == pytest.approx(quiet.synchronous_rms, rel=0.01)
    assert "varied by 39 %" in speed_remark(quiet)


def test_a_picture_and_words_tell_of_orders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recording(tmp_path / "runup.npz", de=vibration(), key=pulses())
    plain, with_orders = tmp_path / "plain.png", tmp_path / "orders.png"
    assert main(["analyse", str(path), "--channel", "0", "--plot", str(plain)]) == 0
    capsys.readouterr()
    assert main(["analyse", str(path), "--tacho", "key", "--plot", str(with_orders)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "198 revolutions at" in said or "199 revolutions at" in said
    assert "bound to the shaft" in said
    assert height(with_orders) > height(plain) + 200


def height(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[20:24], "big")


def test_a_tacho_that_misses_pulses_costs_the_orders_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = pulses()
    broken[round(3.0 * RATE_HZ) : round(3.1 * RATE_HZ)] = 0.0
    path = recording(tmp_path / "a.npz", de=vibration(), key=broken, still=np.zeros(len(broken)))
    (found, _) = analysed(capsys, str(path), "--tacho", "key", "--speed", "1500rpm")
    assert found["orders"]["source"] is None
    assert "pulse missing or doubled near 2.97" in found["orders"]["remarks"][0]
    assert found["shaft"]["speed_hz"] == pytest.approx(25.0, rel=0.05)
    (found, _) = analysed(capsys, str(path), "--tacho", "still")
    assert "0 tacho pulses" in found["orders"]["remarks"][0]
    (found, _) = analysed(capsys, str(path), "--speed-channel", "still")
    assert "above 0" in found["orders"]["remarks"][0]


def test_pulses_per_revolution_that_contradict_the_stated_speed_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recording(tmp_path / "a.npz", de=vibration(), key=pulses(4))
    (found,) = analysed(capsys, str(path), "--tacho", "key", "--speed", "1500rpm")
    assert "are the pulses per revolution, or the unit, right?" in " ".join(found["orders"]["remarks"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tacho", "nothing"], "the file has de, key"),
        (["--tacho", "7"], "the file has de, key"),
        (["--tacho", "key", "--pulses-per-rev", "0"], "should be 1 or more"),
        (["--tacho", "key", "--channel", "1"], "name another with --channel"),
    ],
)
def test_wrong_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    path = recording(tmp_path / "a.npz", de=vibration()[:60_000], key=pulses()[:60_000])
    assert main(["analyse", str(path), *options]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_few_revolutions_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    n = round((LEAST_REVOLUTIONS - 0.5) / SLOW_HZ * RATE_HZ)
    path = recording(tmp_path / "a.npz", de=vibration()[:n], key=pulses()[:n])
    (found,) = analysed(capsys, str(path), "--tacho", "key")
    assert f"{LEAST_REVOLUTIONS} are needed" in found["orders"]["remarks"][0]
