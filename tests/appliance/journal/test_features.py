"""The feature payload: what goes in comes out, NaN included; what is torn is refused."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.journal.errors import JournalRejected
from appliance.journal.features import (
    NAMES_ID,
    NameList,
    decode,
    decode_name_list,
    duration_ns,
    encode,
    features_record,
    seen_name_list,
    value_offset,
)
from dsp.extractor import FeatureVector
from dsp.samples import Quality
from tests.appliance.journal.builders import vector

floats = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(
    st.lists(floats, max_size=60),
    st.text(max_size=20),
    st.sampled_from(list(Quality)),
    st.floats(0.0, 1e3, width=32),
    st.integers(0, 1 << 62),
)
def test_what_goes_in_comes_out(
    values: list[float], state: str, quality: Quality, duration_s: float, start_ns: int
) -> None:
    names = tuple(f"f{index}" for index in range(len(values)))
    put = FeatureVector("c", start_ns, duration_s, names, np.array(values, np.float32), state, quality, "v")
    payload = encode(put)
    got = decode(payload, NameList("v", names), "c", start_ns)
    np.testing.assert_array_equal(got.values, put.values)  # NaN equals NaN here
    assert got.values.dtype == np.float32
    assert (got.names, got.operating_state, got.quality) == (names, state, quality)
    assert (got.duration_s, got.start_ns, got.extractor_version) == (duration_s, start_ns, "v")
    for index, value in enumerate(put.values):
        (one,) = struct.unpack_from("<f", payload, value_offset(index))
        assert one == value or (math.isnan(one) and math.isnan(value))


def test_forty_features_take_little_more_than_their_floats() -> None:
    names = tuple(f"band_{index}_level_dB" for index in range(40))
    payload = encode(vector(0, *range(40), names=names))
    assert 160 < len(payload) < 200


@given(st.integers(0, 60), st.binary(max_size=5))
def test_a_torn_payload_is_refused(cut: int, more: bytes) -> None:
    payload = encode(vector(0))
    torn = payload[: min(cut, len(payload) - 1)] if not more else payload + more
    with pytest.raises(JournalRejected):
        duration_ns(torn)


def test_names_and_values_must_agree() -> None:
    with pytest.raises(JournalRejected, match="3 names but 2 values"):
        encode(vector(0, 1.0, 2.0))


def test_an_overlong_operating_state_is_refused() -> None:
    bad = FeatureVector("c", 0, 1.0, (), np.zeros(0, np.float32), "s" * 256, Quality.GOOD, "v")
    with pytest.raises(JournalRejected, match="operating state"):
        encode(bad)


def test_a_name_list_is_known_by_its_content_alone() -> None:
    payload = encode(vector(0))
    name_list = seen_name_list(payload[NAMES_ID])
    assert name_list is not None and name_list.names == vector(0).names
    assert decode_name_list(payload[NAMES_ID], name_list.encoded()) == name_list
    assert decode_name_list(payload[NAMES_ID], name_list.encoded().replace(b"rms", b"rmz")) is None
    assert decode_name_list(payload[NAMES_ID], b"\xff") is None
    assert encode(vector(0, version="trend-2"))[NAMES_ID] != payload[NAMES_ID]


def test_the_record_is_the_channels_and_the_windows() -> None:
    record = features_record(vector(7))
    assert (record.subject, record.monotonic_ns) == ("pump-1.de.x", 7)
    assert record.key == features_record(vector(7, 9.0, 9.0, 9.0)).key
    assert record.key != features_record(vector(8)).key
    assert duration_ns(record.payload) == 1_250_000_000
