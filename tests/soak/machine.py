"""Snapshots of a machine's waveform under given conditions, as a sensor delivers them each ten minutes.

Physics as in `firmware_bridge.simulated_machine` (orders of the shaft, a mesh with sidebands that follows the
load, hum, noise, impacts of a damaged outer race), but each snapshot by itself at any time, and fast: a soak
needs hundreds of thousands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from dsp.samples import Channel, Measurand, Quality, SampleBlock, SourceItem, TimeQuality
from firmware_bridge.bearing_impacts import BPFO
from tests.fakes.machine_items import MOTOR
from tests.soak.disturbances import Conditions, Course, Disturbances

RATE_HZ = 6400.0
SAMPLES = 8192
S = 1_000_000_000
# Four poles: 2 % behind their field at nominal speed. Where the speed leaves the range that such a motor runs
# in, its lines are not looked for; within it 4x shaft passes twice the line.
_LINE_FREQUENCY_HZ = 60.0
MACHINE = replace(MOTOR, line_frequency_hz=_LINE_FREQUENCY_HZ)
FULL_SCALE = 16 * 9.80665
_NOMINAL_HZ = 29.4
_TEETH = 23
_ORDERS_MPS2 = {1: 0.26, 2: 0.13, 3: 0.072, 4: 0.037}  # peak at nominal speed, full load
_MESH_MPS2 = (0.85, 0.32)
_HUM_MPS2 = 0.05
_NEIGHBOUR_HZ = 24.7
_RINGS_HZ = ((2230.0, 0.022, 1.0), (1340.0, 0.03, 0.3))


@dataclass(frozen=True, slots=True)
class Growth:
    """An outer-race fault that grows exponentially, as spalls do: `full_mps2` peak per strike when grown."""

    start_s: float
    grows_s: float
    full_mps2: float = 24.0
    steepness: float = 3.0

    def strike_mps2(self, t_s: float) -> float:
        part = min(1.0, max(0.0, (t_s - self.start_s) / self.grows_s))
        return self.full_mps2 * math.expm1(self.steepness * part) / math.expm1(self.steepness)


class SoakMachine:
    """One machine of the soak: its snapshots at any time."""

    def __init__(self, seed: int, table: Disturbances, total_s: float, fault: Growth | None = None) -> None:
        self.seed = seed
        self.fault = fault
        self._table = table
        self._course = Course(seed, table, total_s)
        rng = np.random.default_rng([seed, 5])
        self._gains = rng.uniform(0.8, 1.25, 8)  # machines are not alike
        self._phases = rng.uniform(0.0, 2 * np.pi, 8)
        self._steps = np.arange(SAMPLES) / RATE_HZ

    @staticmethod
    def channels() -> tuple[Channel, ...]:
        """One acceleration channel, speed and load."""
        return (
            Channel("motor-1.x", MACHINE.asset_id, Measurand.ACCELERATION, "m/s2", RATE_HZ, FULL_SCALE),
            Channel("motor-1.speed", MACHINE.asset_id, Measurand.SHAFT_SPEED, "Hz", 0.0, 1000.0),
            Channel("motor-1.load", MACHINE.asset_id, Measurand.LOAD, "1", 0.0, 10.0),
        )

    def snapshot(self, t_s: float) -> list[SourceItem]:
        """What arrives for the snapshot that is taken at `t_s`: tags before and after, and one block."""
        now = self._course.at(t_s)
        start_ns, end_ns = round(t_s * S), round((t_s + SAMPLES / RATE_HZ) * S)
        tags: list[SourceItem] = []
        for time_ns, after_s in ((start_ns, 0.0), (end_ns, SAMPLES / RATE_HZ)):
            speed = now.speed + after_s * now.speed_change_per_s
            load = now.load if now.speed > 0.0 else 0.0
            tags += [
                _tag("motor-1.speed", time_ns, speed * _NOMINAL_HZ),
                _tag("motor-1.load", time_ns, load),
            ]
        samples = self._waveform(t_s, now)
        block = SampleBlock(
            "motor-1.x", round(t_s / 600.0), start_ns, TimeQuality.FITTED, RATE_HZ, samples, Quality.GOOD
        )
        return [*tags[:2], block, *tags[2:]]

    def _waveform(self, t_s: float, now: Conditions) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 31, round(t_s)])
        x = rng.standard_normal(SAMPLES, dtype=np.float32)
        x *= np.float32(self._table.noise_rms_mps2 * now.noise)
        t = self._steps
        if now.speed > 0.0:
            turns = _NOMINAL_HZ * (now.speed * t + 0.5 * now.speed_change_per_s * t * t) + rng.uniform()
            turn = _turning(turns)
            orders = np.zeros_like(turn)
            for i, (order, peak) in reversed(list(enumerate(_ORDERS_MPS2.items()))):  # Horner's rule
                with_load = 1.0 if order == 1 else 0.4 + 0.6 * now.load
                orders += np.complex64(
                    peak * now.speed**2 * with_load * self._gains[i] * np.exp(1j * self._phases[i])
                )
                orders *= turn
            x += orders.real
            mesh = _turning(_TEETH * turns)
            teeth = np.complex64(-1j * self._gains[5] * _MESH_MPS2[1]) * mesh
            teeth += np.float32(self._gains[4] * _MESH_MPS2[0])
            teeth *= mesh
            x += teeth.real * (now.load * (1.0 + 0.18 * turn.real)).astype(np.float32)
            if self.fault is not None:
                x += self._strikes(t_s, now, rng)
        x += _HUM_MPS2 * _turning(2 * _LINE_FREQUENCY_HZ * t + rng.uniform()).imag
        if now.neighbour:
            turns = _NEIGHBOUR_HZ * t + rng.uniform()
            for order, part in ((1, 1.0), (2, 0.5), (13, 0.3)):
                x += self._table.neighbour_mps2 * part * _turning(order * turns).real
        if now.bump:
            x += self._bump(rng)
        x *= 10.0 ** (self._table.gain_db_per_k * now.temperature_k / 20.0)
        step = FULL_SCALE / 32_768
        return (np.round(np.clip(x, -FULL_SCALE, FULL_SCALE - step) / step) * step).astype(np.float32)

    def _strikes(self, t_s: float, now: Conditions, rng: np.random.Generator) -> np.ndarray:
        """Ringing of the damaged outer race."""
        assert self.fault is not None
        strength = self.fault.strike_mps2(t_s) * (0.5 + 0.7 * now.load) * now.speed**2
        train = np.zeros(SAMPLES)
        if strength > 0.0:
            interval = RATE_HZ / (BPFO * 0.999 * now.speed * _NOMINAL_HZ)
            count = int(SAMPLES / interval)
            at = rng.uniform(0.0, interval) + interval * np.arange(count)
            at = np.clip(at + 0.012 * interval * rng.standard_normal(count).cumsum(), 0, SAMPLES - 1)
            heights = strength * np.maximum(0.2, 1.0 + 0.12 * rng.standard_normal(count))
            np.add.at(train, at.astype(int), heights)
        return _ringing(train, _RINGS_HZ)

    def _bump(self, rng: np.random.Generator) -> np.ndarray:
        """Something hit the housing: the first peak has the table's size."""
        train = np.zeros(SAMPLES)
        train[int(rng.integers(SAMPLES))] = self._table.bump_g * 9.80665
        return _ringing(train, ((420.0, 0.02, 1.0),))


def _turning(turns: np.ndarray) -> np.ndarray:
    """Unit phasors at these angles, complex64; the angle is reduced before it loses digits."""
    angle = (2 * np.pi * (turns - np.floor(turns))).astype(np.float32)
    phasors = np.empty(len(turns), np.complex64)
    phasors.real = np.cos(angle)
    phasors.imag = np.sin(angle)
    return phasors


def _ringing(train: np.ndarray, rings: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """A train of strikes through resonances (Hz, damping, peak per strike)."""
    total = np.zeros(len(train))
    for frequency_hz, damping, gain in rings:
        radius = math.exp(-2 * math.pi * frequency_hz * damping / RATE_HZ)
        angle = 2 * math.pi * frequency_hz / RATE_HZ
        # impulse response radius^n sin(n angle)
        total += lfilter(
            [0.0, gain * radius * math.sin(angle)], [1.0, -2 * radius * math.cos(angle), radius**2], train
        )
    return total


def _tag(channel_id: str, time_ns: int, value: float) -> SampleBlock:
    samples = np.array([value], np.float32)
    return SampleBlock(channel_id, time_ns // S, time_ns, TimeQuality.FITTED, 0.0, samples, Quality.GOOD)
