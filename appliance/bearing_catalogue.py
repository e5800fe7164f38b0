"""The bearings whose geometry is known by their designation alone, each with the source that says so.

Duty: read `bearings.toml` and find a designation in it. Few true entries are worth more than many doubtful
ones: what is not there is stated in the configuration, from the maker's sheet or with a caliper.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import Fatal
from dsp.bearing import FaultMultipliers, consistent_multipliers, fault_multipliers
from dsp.errors import DspError

CATALOGUE_FILE = "bearings.toml"
_MAKERS = ("skf", "fag", "nsk", "ntn", "nachi", "koyo", "timken", "ldk", "rexnord", "mb", "nice", "fafnir")
Positive = Annotated[float, Field(gt=0)]
Verified = Literal["original", "second hand", "no"]
_VERIFIED_WORDS: dict[Verified, str] = {
    "original": "checked against the original",
    "second hand": "checked at second hand",
    "no": "not checked",
}


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Geometry(_Entry):
    n: Annotated[int, Field(ge=3, le=200)]
    element_mm: Positive
    pitch_mm: Positive
    contact_deg: Annotated[float, Field(ge=0, lt=90)] | None = None


class _Multipliers(_Entry):
    ftf: Positive
    bsf: Positive
    bpfo: Positive
    bpfi: Positive


class _Bearing(_Entry):
    designation: str
    maker: str
    geometry: _Geometry | None = None
    multipliers: _Multipliers | None = None
    source: str


class _Source(_Entry):
    text: Annotated[str, Field(min_length=20)]
    verified: Verified
    check: Annotated[str, Field(min_length=20)]


class _Catalogue(_Entry):
    sources: dict[str, _Source]
    bearings: tuple[_Bearing, ...]


@dataclass(frozen=True, slots=True)
class KnownBearing:
    """One bearing of the catalogue."""

    designation: str
    maker: str
    multipliers: FaultMultipliers
    source: str  # a sentence: where its figures are published, and how far that was checked
    verified: Verified

    @property
    def name(self) -> str:
        """Maker and designation."""
        return f"{self.maker} {self.designation}"


@lru_cache(maxsize=1)
def known_bearings() -> tuple[KnownBearing, ...]:
    """Every bearing of the catalogue. Raises Fatal if the file is damaged."""
    text = resources.files("appliance").joinpath(CATALOGUE_FILE).read_text(encoding="utf-8")
    return read_catalogue(text)


def read_catalogue(text: str) -> tuple[KnownBearing, ...]:
    """Bearings of one catalogue's text. Raises Fatal that names the entry and what is wrong with it."""
    try:
        catalogue = _Catalogue.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise Fatal(f"{CATALOGUE_FILE} cannot be read: {error}") from error
    return tuple(_known(entry, catalogue.sources) for entry in catalogue.bearings)


def find_bearing(designation: str, among: tuple[KnownBearing, ...] | None = None) -> KnownBearing | None:
    """The bearing of a designation: "6205", "SKF 6205-2RS/C3", "er-10k"; None where it is not known.

    Seals, cages and clearance (what follows the number) do not change the geometry; makers do, by a percent
    or so, and a plain number finds whichever maker's is published.
    """
    wanted, number = _normal(designation), _number(designation)
    known = known_bearings() if among is None else among
    exact = [bearing for bearing in known if _normal(bearing.designation) == wanted]
    alike = [bearing for bearing in known if number and _number(bearing.designation) == number]
    return next(iter(exact or alike), None)


def _normal(designation: str) -> str:
    words = [word for word in re.split(r"\s+", designation.lower().strip()) if word not in _MAKERS]
    return re.sub(r"[^a-z0-9]", "", "".join(words))


def _number(designation: str) -> str:
    """The basic number: leading letters and digits up to the first suffix; "" where there is none."""
    words = [word for word in re.split(r"[\s/]+", designation.lower().strip()) if word not in _MAKERS]
    found = re.match(r"((?:[a-z]{1,4}-?)?\d{3,6}[kw]?)(?![a-z0-9])", words[0]) if words else None
    return found.group(1).replace("-", "") if found else ""


def _known(entry: _Bearing, sources: dict[str, _Source]) -> KnownBearing:
    name = f"{entry.maker} {entry.designation}"
    if entry.source not in sources:
        raise Fatal(f"{CATALOGUE_FILE}: {name} names the source {entry.source!r}, which is not in [sources]")
    try:
        source = sources[entry.source]
        words = f"{source.text}; {_VERIFIED_WORDS[source.verified]}"
        return KnownBearing(entry.designation, entry.maker, _multipliers(entry), words, source.verified)
    except DspError as error:
        raise Fatal(f"{CATALOGUE_FILE}: {name} cannot be: {error}") from error


def _multipliers(entry: _Bearing) -> FaultMultipliers:
    name = f"{entry.maker} {entry.designation}"
    if (entry.geometry is None) == (entry.multipliers is None):
        raise DspError("either geometry or multipliers are needed")
    if entry.geometry is not None:
        geometry = entry.geometry
        return fault_multipliers(
            geometry.n, geometry.element_mm, geometry.pitch_mm, geometry.contact_deg, name
        )
    stated = entry.multipliers
    assert stated is not None
    multipliers = FaultMultipliers(
        bpfo=stated.bpfo,
        bpfi=stated.bpfi,
        bsf=stated.bsf,
        ftf=stated.ftf,
        n_rolling_elements=round(stated.bpfo + stated.bpfi),
        contact_angle_known=True,
        designation=name,
    )
    _, remarks = consistent_multipliers(multipliers)
    if remarks:
        raise DspError("; ".join(remarks))
    return multipliers
