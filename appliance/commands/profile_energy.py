"""What power the board says that it takes: RAPL, INA2xx and INA3221 sensors, as files of the kernel tell it.

Duty: find a sensor under /sys, and count joules between two looks. `tegrastats` reads the same INA3221 files.
Says in words why there is none. Knows nothing of networks.

RAPL counts microjoules and wraps; only its packages are added, because cores are part of them. INA sensors
state power now: it is integrated over the looks. Where a rail is named as the board's input (VDD_IN,
POM_5V_IN) it alone is taken, because the others hang on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SYSFS = Path("/sys")
_INA = frozenset({"ina219", "ina220", "ina226", "ina230", "ina231", "ina238", "ina260", "ina2xx", "ina3221"})
_WHOLE_BOARD = ("VDD_IN", "POM_5V_IN")
_RAILS = 3  # of an INA3221; what has higher numbers are shunts and sums


@dataclass(slots=True)
class _Counter:
    """A RAPL package: microjoules that wrap."""

    file: Path
    wraps_at: int
    last: int

    def joules(self) -> float:
        """Since the last look."""
        now = int(self.file.read_text())
        taken = (now - self.last) % (self.wraps_at + 1) if now < self.last else now - self.last
        self.last = now
        return taken / 1e6


class EnergyMeter:
    """Joules since it was made; `look` often enough that nothing wraps twice, with the monotonic time."""

    def __init__(self, sysfs: Path = SYSFS) -> None:
        self.joules = 0.0
        self._counters: list[_Counter] = []
        self._power: Callable[[], float] | None = None
        self._last: tuple[float, float] | None = None  # time, s; power, W
        self.source = self._found(sysfs)

    @property
    def tells(self) -> bool:
        """Whether there is a sensor that can be read."""
        return bool(self._counters) or self._power is not None

    def look(self, now_s: float) -> None:
        """Take note of what the sensor says. A sensor that stops answering tells nothing any more."""
        try:
            for counter in self._counters:
                self.joules += counter.joules()
            if self._power is not None:
                watts = self._power()
                if self._last is not None:
                    self.joules += (watts + self._last[1]) / 2 * (now_s - self._last[0])
                self._last = (now_s, watts)
        except (OSError, ValueError) as error:
            self._counters, self._power = [], None
            self.source = f"cannot tell: {self.source} stopped answering ({error})"

    def _found(self, sysfs: Path) -> str:
        refused: list[str] = []
        for look_for in (self._rapl, self._ina):
            try:
                said = look_for(sysfs)
            except (OSError, ValueError) as error:
                refused.append(str(error))
                continue
            if said:
                return said
        if refused:
            return f"cannot tell: {'; '.join(refused)}"
        return "cannot tell: no RAPL under class/powercap and no INA2xx under class/hwmon"

    def _rapl(self, sysfs: Path) -> str:
        """Packages, of Intel and AMD alike. Raises OSError where only root may read them."""
        names = []
        for zone in sorted((sysfs / "class/powercap").glob("intel-rapl:*")):
            name = _text(zone / "name")
            if zone.name.count(":") == 1 and name.startswith("package"):
                first = int((zone / "energy_uj").read_text())
                wraps_at = int(_text(zone / "max_energy_range_uj") or 2**32 - 1)
                self._counters.append(_Counter(zone / "energy_uj", wraps_at, first))
                names.append(name)
        return f"RAPL {', '.join(names)}" if names else ""

    def _ina(self, sysfs: Path) -> str:
        rails: dict[str, Callable[[], float]] = {}
        for chip in sorted((sysfs / "class/hwmon").glob("hwmon*")):
            name = _text(chip / "name")
            if name not in _INA:
                continue
            if (chip / "power1_input").exists():
                rails[f"{name} {chip.name}"] = _watts(chip / "power1_input")
                continue
            for number in range(1, _RAILS + 1):
                volts, amperes = chip / f"in{number}_input", chip / f"curr{number}_input"
                if volts.exists() and amperes.exists():
                    label = _text(chip / f"in{number}_label") or f"{chip.name} rail {number}"
                    rails[f"{name} {label}"] = _product(volts, amperes)
        whole = {name: read for name, read in rails.items() if name.split()[-1] in _WHOLE_BOARD}
        chosen = whole or rails
        if not chosen:
            return ""
        reads = list(chosen.values())
        self._power = lambda: sum(read() for read in reads)
        self._power()  # what cannot be read is said now
        return ", ".join(chosen)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""


def _watts(file: Path) -> Callable[[], float]:
    return lambda: int(file.read_text()) / 1e6


def _product(millivolts: Path, milliamperes: Path) -> Callable[[], float]:
    return lambda: int(millivolts.read_text()) * int(milliamperes.read_text()) / 1e6
