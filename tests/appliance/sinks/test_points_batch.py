"""A batch encoded at once is the very bytes that its records give one by one, however odd they are."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Rejected
from appliance.journal.features import NameList, features_record
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.journal.series import score_record, tag_record
from appliance.sinks import points_batch
from appliance.sinks.line_protocol import INT64_MAX, INT64_MIN
from appliance.sinks.points import encode
from appliance.sinks.points_batch import BatchLines
from models.detector import AnomalyScore
from tests.appliance.journal.builders import SECOND_NS, START_NS, vector
from tests.appliance.sinks.way import DEVICE

ODD_NAMES = (
    "plain",
    "a b",
    "a,b",
    "a=b",
    "time",
    "_x",
    "#y",
    "a\\",
    "%",
    'a"b',
    "\n",
    "°C",
    " value=0.0",
    "",
)
LISTS = (
    NameList("trend-1", ("rms_mps2", "peak_mps2", "kurtosis")),
    NameList('odd "\\\n version', tuple(name for name in ODD_NAMES if name)),
    NameList("refused", ("rms_mps2", "")),
    NameList("none", ()),
)
NAMES: dict[bytes, NameList | None] = {one.names_id: one for one in LISTS}

texts = st.sampled_from(ODD_NAMES) | st.text(max_size=6)
float32s = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1e-7, 1e16, 3.4028235e38, float("nan")])
times = st.integers(START_NS, START_NS + 10) | st.sampled_from([0, -1, INT64_MIN, INT64_MAX - 1, INT64_MAX])
trusts = st.sampled_from([(True, False, None), (True, True, None), (False, False, None), (False, True, 7)])


@st.composite
def feature_payloads(draw: st.DrawFn) -> bytes:
    names = draw(st.sampled_from(LISTS))
    n_values = len(names.names) if draw(st.integers(0, 9)) else draw(st.integers(0, 5))
    state = draw(st.sampled_from([b"", b"speed-25", b'odd "\\\n', b"\xff"]) | texts.map(str.encode))
    head = struct.pack(
        "<BBf8sHB",
        draw(st.sampled_from([1, 1, 1, 1, 2])),
        draw(st.sampled_from([0, 1, 2, 2, 3])),
        draw(float32s),
        names.names_id if draw(st.integers(0, 9)) else b"unknown!",
        n_values,
        len(state),
    )
    values = draw(st.lists(float32s, min_size=n_values, max_size=n_values))
    payload = head + np.array(values, dtype="<f4").tobytes() + state
    return payload if draw(st.integers(0, 9)) else payload[: draw(st.integers(0, len(payload)))]


value_payloads = st.one_of(
    st.builds(
        lambda value, unit: orjson.dumps({"value": value, "unit": unit, "quality": "good"}),
        st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.integers(-5, 5) | st.booleans(),
        st.sampled_from(ODD_NAMES),
    ),
    st.sampled_from([
        b'{"value":1e400}', b'{"value":"1.5"}', b'{"value":"text"}', b'{"value":[1]}', b"{}", b"[1]", b"1",
        b'"value"', b"", b'{"value":1.0,"value":2.0}', b'{"value":1.50}', b'{"value": 1E5}', b"\xff",
    ]),
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> Record:
    kind = draw(st.sampled_from([RecordKind.FEATURES, RecordKind.SCORE, RecordKind.TAG, RecordKind.HEALTH]))
    trusted, resolved, bound_s = draw(trusts)
    return Record(
        sequence=draw(st.integers(1, 5)),
        record_class=RecordClass.TELEMETRY,
        kind=kind,
        key="key",
        subject=draw(texts),
        boot_id="boot",
        monotonic_ns=1,
        time_ns=draw(times),
        time_trusted=trusted,
        payload=draw(feature_payloads() if kind is RecordKind.FEATURES else value_payloads),
        time_resolved=resolved,
        time_bound_s=bound_s,
    )


def asset_of(channel: str, sequence: int) -> str:
    """Channels that move to another machine, some of an odd name, one of none."""
    return ODD_NAMES[(len(channel) + sequence) % len(ODD_NAMES)]


def one_by_one(record: Record, names: Mapping[bytes, NameList | None]) -> bytes | None:
    asset = asset_of(record.subject, record.sequence)
    return encode(record, DEVICE, asset, names.get(record.payload[6:14]))


@given(st.lists(st.lists(records(), max_size=12), min_size=1, max_size=3))
@settings(deadline=None, max_examples=100)
def test_a_batch_is_the_lines_of_its_records(batches: list[list[Record]]) -> None:
    lines = BatchLines(DEVICE, asset_of)  # what it remembers of one batch must be right in the next, too
    for batch in batches:
        made = lines(batch, NAMES)
        for place, record in enumerate(batch):
            if place in made:
                assert made[place] == one_by_one(record, NAMES)
            elif record.kind is RecordKind.FEATURES:
                refused = True
                with contextlib.suppress(Rejected, ValueError):
                    refused = one_by_one(record, NAMES) is None
                assert refused or LISTS[0].names_id != record.payload[6:14], "a plain one is left over"


def stored(new: NewRecord, sequence: int) -> Record:
    return Record(
        sequence,
        new.record_class,
        new.kind,
        new.key,
        new.subject,
        "boot",
        new.monotonic_ns,
        START_NS + new.monotonic_ns,
        True,
        new.payload,
    )


def plain_batch() -> list[Record]:
    made: list[NewRecord] = []
    for number in range(20):
        at_ns = number * SECOND_NS
        gone = float("nan") if number % 3 == 0 else 1.5
        made.append(features_record(vector(at_ns, number / 7, gone, 1e-9, duration_s=1.25 + number % 2)))
        made.append(tag_record("pump-1.speed", at_ns, 24.9 + number, "Hz"))
        score = AnomalyScore("pump-1.de.x", at_ns, gone, "3", "numpy", np.array([1.0, 2.0], dtype=np.float32))
        made.append(score_record(score, ("rms_mps2", "kurtosis")))
    return [stored(new, sequence) for sequence, new in enumerate(made, 1)]


def test_plain_records_are_all_encoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = plain_batch()
    wanted = [one_by_one(record, NAMES) for record in batch]
    calls = []

    def counted(*arguments: object) -> bytes | None:
        calls.append(arguments)
        return encode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(points_batch, "encode", counted)
    lines = BatchLines(DEVICE, lambda channel, sequence: asset_of(channel, 1))
    made = lines(batch, NAMES)
    expected = [
        encode(record, DEVICE, asset_of(record.subject, 1), NAMES.get(record.payload[6:14]))
        for record in batch
    ]
    assert [made[place] for place in range(len(batch))] == expected
    assert wanted.count(None) == expected.count(None) == 7
    assert len(calls) <= 5, "what a series has in common is made once"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points_batch, "MOST_HEADS", 4)
    lines = BatchLines(DEVICE, asset_of)
    for number in range(50):
        record = stored(tag_record(f"channel-{number}", 0, 1.0, "Hz"), number)
        assert lines([record], {})[0] == one_by_one(record, {})
        assert len(lines._heads) <= 4
