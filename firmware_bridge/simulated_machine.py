"""A motor that drives a gear, as an accelerometer on its bearing housing feels it: physics, not a sine.

Duty: shaft speed, load and temperature as pure functions of time (so that two processes agree on them), and
three axes of acceleration in m/s2, the same for a seed and a start however they are asked for. Sources of
vibration: unbalance (1x), misalignment (2x, 3x, with load), gear mesh with sidebands at shaft speed and load
modulation, hum at twice the line frequency, noise, and bearing faults (`bearing_impacts.py`). Reads no clock.
Healthy, its worst axis has some 1.1 mm/s RMS (10-1000 Hz): zone A of ISO 20816-3, group 2, rigid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmware_bridge.bearing_impacts import BearingImpacts, FaultKind

NOMINAL_SPEED_HZ = 29.4
GEAR_TEETH = 23
LINE_FREQUENCY_HZ = 50.0
RATED_POWER_KW = 75.0
MEAN_LOAD = 0.87  # of rated load; its wander of 0.10 stays within the last quarter: one operating state
BLOCK_SAMPLES = 512  # noise and impacts are drawn by whole blocks of the sample grid
AXES = 3

# Peak velocity in mm/s and phase in rad of each shaft order, per axis (radial horizontal, vertical, axial).
_ORDERS: dict[int, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    1: ((1.42, 1.05, 0.38), (0.3, 1.9, 2.4)),
    2: ((0.36, 0.27, 0.45), (1.1, 2.7, 0.2)),
    3: ((0.13, 0.10, 0.14), (2.2, 0.4, 1.3)),
    4: ((0.05, 0.04, 0.06), (0.9, 3.0, 2.1)),
}
_MESH_MPS2 = ((0.85, 0.60, 0.95), (0.32, 0.28, 0.40))  # peak of the first and second mesh harmonic, full load
_SIDEBAND = 0.18  # modulation depth of the mesh by one revolution
_HUM_MPS2 = (0.05, 0.07, 0.03)
_NOISE_MPS2 = (0.34, 0.30, 0.26)  # RMS, white over the sensor's band


@dataclass(frozen=True, slots=True)
class Wander:
    """A slow, smooth deviation: a few sines with periods that never meet again."""

    amplitudes: tuple[float, ...]
    frequencies_hz: tuple[float, ...]
    phases: tuple[float, ...]

    def at(self, t_s: float) -> float:
        terms = zip(self.amplitudes, self.frequencies_hz, self.phases, strict=True)
        return sum(a * math.sin(2 * math.pi * f * t_s + p) for a, f, p in terms)

    def each(self, t_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        total = np.zeros_like(t_s)
        for a, f, p in zip(self.amplitudes, self.frequencies_hz, self.phases, strict=True):
            total += a * np.sin(2 * np.pi * f * t_s + p)
        return total

    def integral(self, t_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Of `each` from 0 to t."""
        total = np.zeros_like(t_s)
        for a, f, p in zip(self.amplitudes, self.frequencies_hz, self.phases, strict=True):
            total += a / (2 * np.pi * f) * (math.cos(p) - np.cos(2 * np.pi * f * t_s + p))
        return total


def _wander(rng: np.random.Generator, swing: float, slowest_s: float, fastest_s: float) -> Wander:
    periods = np.geomspace(slowest_s, fastest_s, 4) * rng.uniform(0.85, 1.15, 4)
    weights = np.array([0.4, 0.3, 0.2, 0.1]) * swing
    return Wander(tuple(weights), tuple(1.0 / periods), tuple(rng.uniform(0.0, 2 * np.pi, 4)))


@dataclass(frozen=True, slots=True)
class FaultCourse:
    """A bearing fault that begins at a time and grows, exponentially as spalls do, to its full size."""

    kind: FaultKind
    start_s: float
    growth_s: float

    def severity(self, t_s: float) -> float:
        """0 before it begins, 1 when fully grown, and 1 after."""
        part = min(1.0, max(0.0, (t_s - self.start_s) / self.growth_s))
        return math.expm1(3.0 * part) / math.expm1(3.0)


class SimulatedMachine:
    """Operating conditions of one machine as functions of time, fixed by a seed."""

    def __init__(self, seed: int, nominal_speed_hz: float = NOMINAL_SPEED_HZ) -> None:
        rng = np.random.default_rng([seed, 1])
        self.seed = seed
        self.nominal_speed_hz = nominal_speed_hz
        self._load = _wander(rng, 0.10, 97.0, 11.0)
        self._speed = _wander(rng, 0.0022, 140.0, 17.0)  # of nominal
        self._temperature = _wander(rng, 1.2, 600.0, 90.0)
        self._faults: tuple[FaultCourse, ...] = ()

    @property
    def faults(self) -> tuple[FaultCourse, ...]:
        """Faults that were started."""
        return self._faults

    def start_fault(self, kind: FaultKind, start_s: float, growth_s: float) -> FaultCourse:
        """Let a fault begin at a time (of this machine, s) and grow for so many seconds."""
        if not (math.isfinite(growth_s) and growth_s > 0.0):
            raise ValueError(f"growth_s is {growth_s!r}; a positive number of seconds is right")
        course = FaultCourse(kind, start_s, growth_s)
        self._faults = (*self._faults, course)
        return course

    def load(self, t_s: float) -> float:
        """Load as a fraction of rated load."""
        return MEAN_LOAD + self._load.at(t_s)

    def speed_hz(self, t_s: float) -> float:
        """Shaft speed in Hz: nominal, a slow wander, and the slip of an induction motor with load."""
        return self.nominal_speed_hz * (1.0 + self._speed.at(t_s) - 0.015 * self._load.at(t_s))

    def temperature_degc(self, t_s: float) -> float:
        """Temperature of the bearing housing in degC; a fault warms it, half a minute late."""
        heating = sum(course.severity(t_s - 30.0) for course in self._faults)
        return 47.0 + self._temperature.at(t_s) + 9.0 * heating

    def loads(self, t_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """`load` for an array of times."""
        return MEAN_LOAD + self._load.each(t_s)

    def revolutions(self, t_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Shaft angle in revolutions since t = 0: the exact integral of `speed_hz`."""
        return self.nominal_speed_hz * (t_s + self._speed.integral(t_s) - 0.015 * self._load.integral(t_s))


class VibrationStream:
    """Acceleration at the sensor, block after block of one sample grid.

    Sample i belongs to the machine's time `start_s + i / sample_rate_hz`. `sample_rate_hz` is the true rate.
    """

    def __init__(self, machine: SimulatedMachine, sample_rate_hz: float, start_s: float = 0.0) -> None:
        self._machine = machine
        self._rate_hz = sample_rate_hz
        self._start_s = start_s
        self._next_block = 0
        self._impacts: list[tuple[FaultCourse, BearingImpacts]] = []

    @property
    def next_sample(self) -> int:
        """Index of the first sample of the next block."""
        return self._next_block * BLOCK_SAMPLES

    def seek(self, sample_index: int) -> None:
        """Go forward to the block that holds a sample; what lies between is never computed."""
        self._next_block = max(self._next_block, sample_index // BLOCK_SAMPLES)

    def next_block(self) -> npt.NDArray[np.float32]:
        """The next (BLOCK_SAMPLES, 3) samples in m/s2."""
        index = self._next_block
        self._next_block = index + 1
        t_s = self._start_s + (index * BLOCK_SAMPLES + np.arange(BLOCK_SAMPLES)) / self._rate_hz
        noise = np.random.Generator(np.random.Philox(key=self._machine.seed, counter=[0, 0, 0, index]))
        block = noise.standard_normal((AXES, BLOCK_SAMPLES), dtype=np.float32)
        block *= np.array(_NOISE_MPS2, dtype=np.float32)[:, None]
        block += self._rotating(t_s)
        for course in self._machine.faults[len(self._impacts) :]:
            seed = [self._machine.seed, 2, len(self._impacts)]
            impacts = BearingImpacts(course.kind, np.random.default_rng(seed), max(course.start_s, t_s[0]))
            self._impacts.append((course, impacts))
        for course, impacts in self._impacts:
            impacts.add_to(block, t_s, self._rate_hz, self._machine, course.severity)
        return block.T

    def _rotating(self, t_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """What turns with the shaft, and the hum: (3, n)."""
        machine = self._machine
        load = machine.loads(t_s)
        angle = 2 * np.pi * np.modf(machine.revolutions(t_s))[0]
        turn = np.exp(1j * angle)
        # Velocity v sin(wt) has acceleration v w cos(wt); speed wanders by under 0.5 %, w may stay nominal.
        rows = np.zeros((AXES, len(t_s)))
        shaft = 2 * np.pi * machine.nominal_speed_hz
        power = np.ones_like(turn)
        for order, (peaks_mm_s, phases) in _ORDERS.items():
            power = power * turn
            with_load = 1.0 if order == 1 else 0.4 + 0.8 * load
            for axis in range(AXES):
                factor = peaks_mm_s[axis] * 1e-3 * shaft * order * np.exp(1j * phases[axis])
                rows[axis] += (factor * power).real * with_load
        mesh = turn**GEAR_TEETH
        modulation = load * (1.0 + _SIDEBAND * turn.real)
        first, second = mesh.real * modulation, (mesh * mesh).imag * modulation
        hum = np.sin(2 * np.pi * 2 * LINE_FREQUENCY_HZ * t_s)
        for axis in range(AXES):
            rows[axis] += _MESH_MPS2[0][axis] * first + _MESH_MPS2[1][axis] * second + _HUM_MPS2[axis] * hum
        return rows.astype(np.float32)
