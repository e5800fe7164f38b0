"""The catalogue of bearings: every entry is a possible bearing, with multipliers as they are published."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from appliance.bearing_catalogue import find_bearing, known_bearings, read_catalogue
from appliance.errors import Fatal

CATALOGUE = Path(__file__).parents[2] / "appliance" / "bearings.toml"

# BPFO, BPFI, BSF, FTF as published beside the geometry (CWRU states 2 x BSF; MFPT's from the data's own
# files).
PUBLISHED = {
    "SKF 6205-2RS JEM": (3.5848, 5.4152, 4.7135 / 2.0, 0.39828),
    "SKF 6203-2RS JEM": (3.0530, 4.9469, 3.9874 / 2.0, 0.3817),
    "NICE MFPT rig": (3.245, 4.755, 2.5564, 0.4056),
    "LDK UER204": (3.0830, 4.9170, 2.0667, 0.38538),
}


@pytest.mark.parametrize("bearing", known_bearings(), ids=lambda bearing: bearing.name)
def test_every_entry_is_a_possible_bearing_with_a_source(bearing) -> None:
    multipliers = bearing.multipliers
    n = multipliers.n_rolling_elements
    assert multipliers.bpfo + multipliers.bpfi == pytest.approx(n, rel=1e-3)
    assert multipliers.ftf == pytest.approx(multipliers.bpfo / n, abs=1.1e-3)
    assert 0.1 < multipliers.gamma < 0.32
    # the elements find room on the pitch circle
    ratio = multipliers.gamma if multipliers.gamma else math.nan
    assert n * math.asin(min(1.0, ratio)) < math.pi
    assert len(bearing.source) > 20
    assert "checked" in bearing.source


@pytest.mark.parametrize("name", PUBLISHED)
def test_multipliers_are_the_published_ones(name: str) -> None:
    found = find_bearing(name)
    assert found is not None
    assert found.name == name
    m = found.multipliers
    for value, published in zip((m.bpfo, m.bpfi, m.bsf, m.ftf), PUBLISHED[name], strict=True):
        assert value == pytest.approx(published, rel=1e-3)


def test_a_makers_own_table_agrees_with_geometry_published_elsewhere() -> None:
    """Timken's 203K against the 6203 measured by somebody else: one ball size, half a percent."""
    table, measured = find_bearing("203K"), find_bearing("6203")
    assert table is not None
    assert measured is not None
    assert table.multipliers.bpfo == pytest.approx(measured.multipliers.bpfo, rel=5e-3)
    assert table.multipliers.bsf == pytest.approx(measured.multipliers.bsf, rel=5e-3)


@pytest.mark.parametrize(
    ("designation", "name"),
    [
        ("6205", "SKF 6205-2RS JEM"),
        (" skf 6205-2RS/C3 ", "SKF 6205-2RS JEM"),
        ("6205-2Z", "SKF 6205-2RS JEM"),
        ("6203", "SKF 6203-2RS JEM"),
        ("uer204", "LDK UER204"),
        ("ER10K", "MB ER-10K"),
        ("er-10k", "MB ER-10K"),
        ("Rexnord ZA2115", "Rexnord ZA-2115"),
        ("309K", "Timken 309K"),
        ("MFPT rig", "NICE MFPT rig"),
    ],
)
def test_designations_are_found_as_people_write_them(designation: str, name: str) -> None:
    found = find_bearing(designation)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("designation", ["", "6209", "16205", "62055", "205", "SKF", "nonsense", "305K"])
def test_what_nobody_published_is_not_guessed(designation: str) -> None:
    assert find_bearing(designation) is None


def test_entries_are_not_doubled_and_every_source_is_used() -> None:
    names = [bearing.name for bearing in known_bearings()]
    assert len(set(names)) == len(names)
    stated = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    assert {entry["source"] for entry in stated["bearings"]} == set(stated["sources"])


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("multipliers = { ftf = 0.4, bsf = 2.3, bpfo = 3.6, bpfi = 5.9 }", "number of elements"),
        ("multipliers = { ftf = 0.6, bsf = 2.3, bpfo = 3.574, bpfi = 5.426 }", "FTF"),
        ("geometry = { n = 9, element_mm = 8.0, pitch_mm = 7.0, contact_deg = 0.0 }", "smaller"),
        ("", "either geometry or multipliers"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(entry: str, reason: str) -> None:
    source = f'text = "{"x" * 20}"\nverified = "no"\ncheck = "{"y" * 20}"\n'
    text = f'[sources.s]\n{source}[[bearings]]\ndesignation = "1"\nmaker = "M"\nsource = "s"\n{entry}\n'
    with pytest.raises(Fatal, match=rf"M 1 cannot be.*{reason}"):
        read_catalogue(text)
    with pytest.raises(Fatal, match="not in \\[sources\\]"):
        read_catalogue(text.replace('source = "s"', 'source = "t"'))


def test_what_was_checked_against_the_original_is_told_apart() -> None:
    """Timken's page was read; the others' figures were held against those who cite them."""
    counts = Counter(bearing.verified for bearing in known_bearings())
    assert counts == {"original": 29, "second hand": 7}
    timken = find_bearing("205K")
    assert timken is not None
    assert timken.source.endswith("checked against the original")


def test_a_contact_angle_that_nobody_states_is_unknown() -> None:
    pronostia, cwru = find_bearing("PRONOSTIA rig"), find_bearing("6205")
    assert pronostia is not None
    assert cwru is not None
    assert not pronostia.multipliers.contact_angle_known
    assert cwru.multipliers.contact_angle_known
