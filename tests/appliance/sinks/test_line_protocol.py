"""Line protocol: what is written is what a real server reads back, whatever the names."""

from __future__ import annotations

import asyncio
import gzip
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.demo_central import LocalInflux
from appliance.errors import Rejected
from appliance.sinks.influx import Influx1Writer
from appliance.sinks.line_protocol import field_key, line

HOSTILE = [
    "plain",
    "with space",
    "comma,comma",
    "equals=sign",
    'quote"d',
    "it's",
    "back\\slash",
    "trailing\\",
    "\\ ",
    "\\\\,",
    "line\nend",
    "carriage\rreturn",
    "tab\tstop",
    "nul\x00byte",
    "Größe µm/s² 温度 🌡",
    "\u2028separator",
    "lone \ud800 surrogate",
    "%25 percent %",
    "time",
    "_field",
    "#comment",
    " leading and trailing ",
    "a=b,c=d e=1i 5",
    'x value="1" 9\ny value=2 9',
    "a" * 1000,
]


def test_a_point_is_written_as_the_grammar_says() -> None:
    written = line("m", {"b": "2", "a": "1", "none": ""}, {"f": 1.5, "i": 3, "t": True, "s": "x"}, 7)
    assert written == b'm,a=1,b=2 f=1.5,i=3i,t=true,s="x" 7'


def test_what_is_no_number_is_left_out_and_an_empty_point_is_none() -> None:
    assert line("m", {}, {"a": math.nan, "b": 1.0, "c": None, "d": math.inf}, 1) == b"m b=1.0 1"
    assert line("m", {}, {"a": math.nan}, 1) is None


@pytest.mark.parametrize(
    ("measurement", "tags", "fields", "time_ns", "words"),
    [
        ("", {}, {"f": 1.0}, 1, "empty measurement"),
        ("m", {"": "x"}, {"f": 1.0}, 1, "empty tag"),
        ("m", {}, {"": 1.0}, 1, "empty field key"),
        ("m", {}, {"f": 1 << 63}, 1, "64 bits"),
        ("m", {}, {"f": "x" * 60_001}, 1, "longer than 60000"),
        ("m", {"t": "x" * 4_001}, {"f": 1.0}, 1, "longer than 4000"),
        ("m", {}, {"f": 1.0}, 1 << 63, "64 bits"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(
    measurement: str, tags: dict[str, str], fields: dict[str, float], time_ns: int, words: str
) -> None:
    with pytest.raises(Rejected, match=words):
        line(measurement, tags, fields, time_ns)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_two_names_never_become_one_series(one: str, other: str) -> None:
    assert (field_key(one) == field_key(other)) == (one == other)
    assert b"\n" not in field_key(one)


@given(st.text(max_size=30), st.text(max_size=60), st.floats(), st.integers(-(1 << 63), (1 << 63) - 1))
def test_any_text_makes_one_line_whose_separators_are_ours(
    name: str, text: str, number: float, whole: int
) -> None:
    written = line("m", {"tag": name}, {"n": number, "i": whole}, 1)
    assert written is not None
    assert b"\n" not in written
    written = line("m", {}, {"s": text}, 1)
    assert written is not None
    assert written.endswith(b'" 1')


def expected(name: str) -> str:
    """What the server shows for a name: the percent form of what the protocol has no word for."""
    return "".join(
        "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        if char in "\\%\u2028\u0085\x7f" or char < " " or "\ud800" <= char <= "\udfff"
        else char
        for char in name
    )


async def test_a_real_server_reads_hostile_names_as_they_were_meant(influxd: LocalInflux) -> None:
    lines = [line("hostile", {"name": name}, {"value": float(i)}, i + 1) for i, name in enumerate(HOSTILE)]
    lines += [line("keys", {}, {name: float(i)}, i + 1) for i, name in enumerate(HOSTILE)]
    texts = [name for name in HOSTILE if "\ud800" not in name] + ["", "a" * 60_000]
    lines += [line("texts", {}, {"text": text}, i + 1) for i, text in enumerate(texts)]
    lines.append(line("numbers", {}, {"big": (1 << 63) - 1, "small": -(1 << 63), "f": 0.1, "t": False}, 1))
    writer = Influx1Writer(influxd.url, "stethos")
    answer = await writer.write(gzip.compress(b"\n".join(filter(None, lines))))
    await writer.close()
    assert (answer.status, answer.reason) == (204, "no reason given")

    rows = await asyncio.to_thread(influxd.ask, 'SELECT "value" FROM "hostile" GROUP BY "name"')
    assert {row["time"]: row["name"] for row in rows} == {
        i + 1: expected(name) for i, name in enumerate(HOSTILE)
    }
    keys = await asyncio.to_thread(influxd.ask, 'SHOW FIELD KEYS FROM "keys"')
    reserved = {"time": "%74ime", "_field": "%5Ffield", "#comment": "%23comment"}
    assert {row["fieldKey"] for row in keys} == {reserved.get(name, expected(name)) for name in HOSTILE}
    rows = await asyncio.to_thread(influxd.ask, 'SELECT "text" FROM "texts"')
    assert [row["text"] for row in rows] == texts
    rows = await asyncio.to_thread(influxd.ask, 'SELECT * FROM "numbers"')
    assert rows == [{"time": 1, "big": (1 << 63) - 1, "small": -(1 << 63), "f": 0.1, "t": False}]
