"""Rows are divided by time, moved to one level, and read back as they were written."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest

from dsp.log_spectrum import LOG_SPECTRUM_VERSION
from models.baseline import FeatureScale, on_scale
from models.errors import BundleError, ModelError
from models.network_score import NetworkForm, moved
from models.training.judging import calibration_items, fitted_limit, judged_items
from models.training.making import output_spread
from models.training.row_inputs import RowInput
from models.training.rows import (
    SEQUENCES_PER_FAULT,
    Rows,
    Stretch,
    columns_of,
    displaced,
    from_bytes,
    items_of,
    raised,
    to_bytes,
    training_rows,
)
from models.training.simulated_rows import simulated_rows
from tests.fakes.linear_bundle import linear_bundle, linear_rows


def test_each_sequence_is_divided_by_time() -> None:
    rows = linear_rows()
    learn, until, held = rows.parts()
    assert [len(part) for part in (learn, until, held)] == [480, 160, 160]
    for label in (0, 1):
        own = rows.healthy.values[rows.healthy.sequence == label]
        np.testing.assert_array_equal(learn.values[learn.sequence == label], own[:240])
        np.testing.assert_array_equal(held.values[held.sequence == label], own[320:])


def test_channels_are_moved_to_one_level_and_their_faults_with_them() -> None:
    rows = linear_rows()  # the second channel is 10 dB louder
    medians = [np.median(one, axis=0) for one in rows.healthy.each()]
    np.testing.assert_allclose(medians[0], medians[1], atol=1e-4)
    assert rows.faults == ("fault 0", "fault 1")
    kinds = rows.faulty.sequence // SEQUENCES_PER_FAULT
    assert sorted(set(kinds.tolist())) == [0, 1]
    untouched = rows.faulty.values[kinds == 0][:, 5:]
    assert abs(np.median(untouched) - np.median(rows.healthy.values[:, 5:])) < 1.0


def test_levels_move_by_decibels() -> None:
    levels = np.array([True, False])
    found = moved(np.array([[2.0, -30.0]]), np.array([20.0, 3.0]), levels)
    np.testing.assert_allclose(found, [[20.0, -27.0]])
    scales = (FeatureScale.LEVEL, FeatureScale.DECIBEL)
    step = on_scale(found.astype(np.float32), scales) - on_scale(np.array([[2.0, -30.0]], np.float32), scales)
    np.testing.assert_allclose(step, [[20.0, 3.0]], atol=1e-5)


def test_items_never_span_two_sequences() -> None:
    rows = Rows(np.arange(20, dtype=np.float32).reshape(10, 2), np.array([0] * 6 + [1] * 4))
    items = items_of(rows, 3)
    assert items.values.shape == (4 + 2, 3, 2)
    assert items.sequence.tolist() == [0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(items.values[4], rows.values[6:9])
    assert items_of(rows, 0) is rows
    assert len(items_of(rows, 7)) == 0


def test_raised_rows_rise_in_one_band_only() -> None:
    flat = np.zeros((50, 4, 12), np.float32)
    found = raised(flat, np.random.default_rng(1), 1.0, 4.0)
    assert not found[:, :-1].any()
    assert not flat.any()
    for row in found[:, -1]:
        up = np.flatnonzero(row)
        assert len(up) >= 1
        assert up[-1] - up[0] == len(up) - 1
        assert 1.0 <= row[up].min() == row[up].max() <= 4.0


def test_rows_are_read_back() -> None:
    rows = linear_rows()
    back = from_bytes(to_bytes(rows), rows.feature_names, rows.extractor_version, rows.faults, rows.origin)
    assert back.sha256 == rows.sha256
    assert to_bytes(back) == to_bytes(rows)
    assert linear_rows(5).sha256 != rows.sha256


def flipped() -> bytes:
    """Damage within what is packed, which the unpacker finds before any checksum."""
    packed = io.BytesIO()
    np.savez_compressed(packed, healthy=np.arange(4096.0))
    content = bytearray(packed.getvalue())
    start = 30 + sum(struct.unpack_from("<HH", content, 26))
    content[start : start + 8] = b"\xff" * 8
    return bytes(content)


def damaged() -> dict[str, bytes]:
    rows = linear_rows()
    content = to_bytes(rows)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("healthy.npy", b"no array")
    pickled = io.BytesIO()
    np.savez(pickled, healthy=np.array([{}], dtype=object))
    narrow = io.BytesIO()
    np.savez(narrow, healthy=np.zeros((3, 2)), healthy_of=np.zeros(3), faulty=np.zeros((0, 2)), faulty_of=[])
    return {
        "empty": b"", "cut": content[:100], "no array": other.getvalue(), "pickled": pickled.getvalue(),
        "narrow": narrow.getvalue(), "flipped": flipped(),
    }  # fmt: skip


@pytest.mark.parametrize("damage", list(damaged()))
def test_damaged_rows_are_refused(damage: str) -> None:
    rows = linear_rows()
    with pytest.raises(BundleError, match=r"rows\.npz"):
        from_bytes(damaged()[damage], rows.feature_names, "trend-1", (), "")


def test_too_few_or_constant_rows_are_refused() -> None:
    names = ("band_0_10_hz_db", "crest_factor")
    few = training_rows(names, "trend-1", [Stretch(np.zeros((50, 2), np.float32), "x")], "")
    scales = (FeatureScale.DECIBEL, FeatureScale.UNUSED)
    from models.detectors.columns import ScaleRules

    with pytest.raises(ModelError, match="50 healthy rows"):
        columns_of(few.healthy, scales, ScaleRules())
    still = Rows(np.full((200, 2), -40.0, np.float32), np.zeros(200, np.int64))
    with pytest.raises(ModelError, match="all are constant"):
        columns_of(still, scales, ScaleRules(floor=0.1))  # a floor makes no spread where nothing ever varied
    silent = Rows(np.full((200, 2), np.nan, np.float32), np.zeros(200, np.int64))
    with pytest.raises(ModelError, match="no feature says anything"):
        columns_of(silent, scales, ScaleRules())
    with pytest.raises(ModelError, match="no healthy rows"):
        training_rows(names, "trend-1", [Stretch(np.zeros((50, 2), np.float32), "x", "broken")], "")


def test_the_limit_is_above_what_held_out_rows_show_and_one_outlier_does_not_make_it() -> None:
    raw = np.random.default_rng(2).uniform(0.8, 1.2, 200)
    sequence = np.repeat([0, 1], 100)
    limit = fitted_limit(raw, sequence)
    assert 1.2 < limit < 2.0
    raw[50] = 40.0
    assert fitted_limit(raw, sequence) == pytest.approx(limit, rel=0.1)
    with pytest.raises(ModelError, match="no held-out"):
        fitted_limit(np.full(5, np.nan), np.zeros(5))


def test_without_faulty_rows_healthy_ones_are_raised_and_that_is_said() -> None:
    rows = linear_rows(faults=False)
    bundle = linear_bundle(rows)
    spec = bundle.manifest.network
    assert spec is not None
    judged = judged_items(rows, spec, 0, 3)
    assert judged.made_up
    assert (judged.faulty.values >= judged.healthy.values).all()
    assert (judged.faulty.values > judged.healthy.values).any(axis=1).all()
    assert "made-up rises" in bundle.model_card
    assert "says nothing" in bundle.model_card


def test_calibration_rows_come_from_what_taught_and_reach_far() -> None:
    rows, spec = linear_rows(), linear_bundle().manifest.network
    assert spec is not None
    assert spec.form is NetworkForm.RECONSTRUCTION
    items = calibration_items(rows, spec, 0, 0, 300)
    assert items.shape == (300, 16)
    learn = {row.tobytes() for row in rows.parts()[0].values}
    assert sum(row.tobytes() in learn for row in items) == 225
    np.testing.assert_array_equal(items, calibration_items(rows, spec, 0, 0, 300))


def test_the_simulated_machine_gives_rows_of_the_product_s_features() -> None:
    rows = simulated_rows(10.0, 1, 3200.0, machines=1)
    assert set(rows.faults) == {"outer race", "inner race", "rolling element"}
    assert "velocity_rms_mm_s" in rows.feature_names
    assert len(np.unique(rows.healthy.sequence)) == 3
    assert simulated_rows(10.0, 1, 3200.0, machines=1).sha256 == rows.sha256


def test_a_channel_is_moved_by_what_a_short_baseline_would_learn_and_that_does_not_teach() -> None:
    random = np.random.default_rng(5)
    names = ("band_10_20_hz_db", "band_20_30_hz_db")
    wander = np.concatenate([np.full(20, 1.5), np.zeros(180)])  # at first it ran with more load
    values = (-30.0 + wander[:, None] + 0.1 * random.standard_normal((200, 2))).astype(np.float32)
    fault = (values[-20:] + 4.0).astype(np.float32)
    stretches = [Stretch(values, "x", baseline=20), Stretch(fault, "x", "worn")]
    rows = training_rows(names, "trend-1", stretches, "made up")
    assert len(rows.healthy) == 180
    centre = np.median(values, axis=0)
    np.testing.assert_allclose(np.median(rows.healthy.values, axis=0), centre - 1.5, atol=0.1)
    np.testing.assert_allclose(np.median(rows.faulty.values, axis=0), centre + 2.5, atol=0.2)
    whole = training_rows(names, "trend-1", [Stretch(values, "x")], "made up")
    assert len(whole.healthy) == 200
    np.testing.assert_allclose(np.median(whole.healthy.values, axis=0), centre, atol=0.1)


def test_fine_bands_are_moved_by_their_level_bands_alone() -> None:
    """A box's baseline knows no more of them: within a band, channels stay as different as they are."""
    random = np.random.default_rng(6)
    names = ("band_10_20_hz_db", "band_20_30_hz_db", "band_30_40_hz_db")
    usual = np.array([[-30.0, -30.0, -50.0], [-14.0, -24.0, -40.0]])  # the second is the louder one
    stretches = [
        Stretch((centre + 0.1 * random.standard_normal((120, 3))).astype(np.float32), f"{i}")
        for i, centre in enumerate(usual)
    ]
    rows = training_rows(names, "log-spectrum-1", stretches, "made up", parents=(0, 0, 1))
    one, other = (np.median(part, axis=0) for part in rows.healthy.each())
    level = [10.0 * np.log10((10.0 ** (centre[:2] / 10.0)).sum()) for centre in (one, other)]
    assert level[0] == pytest.approx(level[1], abs=0.1)
    assert one[2] == pytest.approx(other[2], abs=0.1)
    assert one[0] - one[1] == pytest.approx(0.0, abs=0.1)
    assert other[0] - other[1] == pytest.approx(10.0, abs=0.1)


def test_the_simulated_machine_gives_rows_of_its_log_spectrum_too() -> None:
    rows = simulated_rows(10.0, 1, 3200.0, machines=1, made_of=RowInput.LOG_SPECTRUM)
    plain = simulated_rows(10.0, 1, 3200.0, machines=1)
    assert rows.extractor_version == LOG_SPECTRUM_VERSION
    assert len(rows.feature_names) == 43
    assert not set(rows.feature_names) & {"rms_mps2", "velocity_rms_mm_s"}
    assert np.array_equal(rows.healthy.sequence, plain.healthy.sequence)
    assert np.isfinite(rows.healthy.values).all()


def test_simulated_boxes_learn_their_baselines_before_the_rows_that_teach() -> None:
    rows = simulated_rows(10.0, 1, 3200.0, machines=1, baseline_s=5.0)
    assert "10 s of healthy running each after baselines of 5 s" in rows.origin
    usual = simulated_rows(10.0, 1, 3200.0, machines=1)
    assert abs(len(rows.healthy) - len(usual.healthy)) <= 2 * 3  # a window more or less, of three axes
    assert rows.sha256 != usual.sha256


def test_displaced_rows_move_either_way_in_up_to_half_of_the_columns() -> None:
    chance = np.random.Generator(np.random.PCG64(2))
    still = np.zeros((400, 20), np.float32)
    moved_by = displaced(still, chance)
    assert np.array_equal(still, np.zeros_like(still))
    counts = (moved_by != 0).sum(axis=1)
    assert counts.min() == 1
    assert counts.max() == 10
    assert 0.45 < np.mean(moved_by[moved_by != 0] > 0) < 0.55
    items = displaced(np.zeros((50, 9, 20), np.float32), chance)
    assert not items[:, :-1].any()
    assert items[:, -1].any(axis=1).all()


def test_an_embedding_has_one_spread_and_other_outputs_have_their_own() -> None:
    rest = np.array([[0.0, 1.0, 10.0], [0.0, -1.0, -10.0]])
    assert output_spread(rest, embedding=True) == pytest.approx(np.full(3, np.sqrt(101 / 3)))
    own = output_spread(rest, embedding=False)
    assert own[2] == pytest.approx(10.0)
    assert own[1] == pytest.approx(1.0)
    assert own[0] == pytest.approx(0.1 * np.sqrt(101 / 3))  # one that never errs must not rule
