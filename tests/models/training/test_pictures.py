"""Pictures to bundles: how they are parted, what is drawn into them, what int8 makes of them. No torch."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.bundle import Bundle, verified
from models.errors import BundleError, ManifestError, ModelError
from models.manifest import ModelManifest, golden_differences, golden_figures, golden_inputs
from models.training import drawn_defects
from models.training.drawn_defects import with_defects
from models.training.picture_fitting import PictureFitSettings
from models.training.picture_making import PictureKind, finished_pictures
from models.training.picture_material import PICTURES_FILE, fitted_limit, from_bytes
from models.training.pictures import MarkedPicture, TrainingPictures, mask_of_boxes
from models.training.quantising import quantised_bundle
from tests.fakes import picture_bundles as drawn

RAN = {
    ("numpy_reference", "float32"), ("onnxruntime", "float32"), ("openvino", "float32"),
    ("numpy_reference", "int8"), ("onnxruntime", "int8"), ("openvino", "int8"), ("litert", "int8"),
    ("tensorrt", "int8"),
}  # fmt: skip


def test_neighbours_are_never_on_both_sides() -> None:
    pictures = drawn.surfaces(good=10, bad=5)
    parts = pictures.parts()
    assert [len(part) for part in parts] == [6 + 3 + 3, 2 + 1 + 1, 2 + 1 + 1]
    where = {id(one): number for number, one in enumerate(pictures.pictures)}
    for kind in ("", *pictures.kinds):
        at = [[where[id(one)] for one in part if one.kind == kind] for part in parts]
        assert max(at[0]) < min(at[1]) <= max(at[1]) < min(at[2])
    few = TrainingPictures(pictures.pictures[:2], "")
    with pytest.raises(ModelError, match="expected 3 or more"):
        few.parts()


def test_the_hash_covers_pictures_kinds_and_masks() -> None:
    one = MarkedPicture(np.zeros((4, 4), np.uint8), "a", np.zeros((4, 4), np.bool_))
    others = (
        replace(one, kind="b"),
        replace(one, mask=np.ones((4, 4), np.bool_)),
        replace(one, picture=np.ones((4, 4), np.uint8)),
        replace(one, picture=np.zeros((2, 8), np.uint8)),
    )
    assert len({TrainingPictures((each,), "").sha256 for each in (one, *others)}) == 5


def test_boxes_include_their_ends() -> None:
    mask = mask_of_boxes((5, 6), [(1, 2, 3, 3), (-4, 4, 0, 99)])
    wanted = np.zeros((5, 6), np.bool_)
    wanted[2:4, 1:4] = wanted[4, 0] = True
    np.testing.assert_array_equal(mask, wanted)


@pytest.mark.parametrize("seed", range(12))
def test_a_drawn_defect_is_where_its_mask_says_and_nowhere_else(seed: int) -> None:
    chance = np.random.default_rng(seed)
    picture = drawn.surface(chance, (96, 96)).astype(np.float32)
    kept = picture.copy()
    changed, mask = with_defects(picture, [drawn.surface(chance, (96, 96)).astype(np.float32)], chance)
    np.testing.assert_array_equal(picture, kept)
    assert changed.shape == mask.shape == picture.shape
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    if mask.any():
        assert np.abs(changed - picture)[mask].mean() > drawn_defects._LEAST_CHANGE / 2
    assert np.array_equal(changed, picture) is not mask.any()


def test_most_drawings_show_and_leave_most_of_the_picture_sound() -> None:
    chance = np.random.default_rng(5)
    masks = []
    for _ in range(60):
        picture = drawn.surface(chance, (96, 96)).astype(np.float32)
        masks.append(with_defects(picture, [picture], chance)[1])
    assert np.mean([mask.any() for mask in masks]) > 0.7
    assert 0.01 < np.mean(masks) < 0.4


@pytest.mark.parametrize("kind", PictureKind)
def test_every_runtime_has_its_artefact_and_passes_the_gate(kind: PictureKind) -> None:
    made, verdicts = quantised_bundle(drawn.float_bundle(kind), 8)
    assert {(v.entry.backend, str(v.entry.precision)) for v in verdicts} == RAN
    for verdict in verdicts:
        assert verdict.refusals() == []
        assert verdict.quality.auroc == 1.0
        assert verdict.quality.healthy_alarms == 0
        assert verdict.quality.faulty_alarms == verdict.quality.faulty_items
    assert verified(made.contents()).identity == made.identity
    assert ModelManifest.from_json(made.manifest.to_json()) == made.manifest
    assert quantised_bundle(made, 8)[0].identity == made.identity


@pytest.mark.parametrize("kind", PictureKind)
def test_golden_pictures_come_out_right_in_every_runtime(kind: PictureKind) -> None:
    made = drawn.int8_bundle(kind)
    assert {vector.why for vector in made.manifest.golden} == {"usual", "faulty", "saturating"}
    for entry in made.manifest.artefacts:
        if entry.backend == "tensorrt":
            continue
        backend = backend_named(entry.backend, BackendOptions())
        backend.load(made.manifest, made.files[entry.file])
        found = backend.infer(golden_inputs(made.manifest))
        assert found.shape == (len(made.manifest.golden), made.manifest.output_values)
        assert golden_differences(made.manifest, entry, found) == []
        assert golden_differences(made.manifest, entry, golden_figures(made.manifest, found)) == []
        assert golden_differences(made.manifest, entry, 1.1 * found) != []
        nothing = np.zeros((0, *made.manifest.input_shape), np.float32)
        assert backend.infer(nothing).shape == (0, made.manifest.output_values)


def test_a_manifest_says_whether_it_is_of_pictures() -> None:
    manifest = drawn.float_bundle().manifest
    with pytest.raises(ManifestError, match=r"manifest\.picture"):
        replace(manifest, picture=None)
    fields = json.loads(manifest.to_json())
    fields["golden"][0]["inputs"] = [1.0, 2.0]
    with pytest.raises(ManifestError, match="square crop"):
        ModelManifest.from_json(json.dumps(fields))


def test_only_a_segmenter_of_enough_pictures_carries_a_word_of_their_texture() -> None:
    of_kinds, of_good = (drawn.float_bundle(kind).manifest for kind in (drawn.SEGMENTER, drawn.GOOD_PARTS))
    assert of_kinds.picture is not None and of_kinds.picture.texture is not None
    assert "texture" not in json.loads(of_good.to_json())["picture"]  # older readers know none
    fields = json.loads(of_kinds.to_json())
    del fields["picture"]["texture"]  # as older bundles are
    older = ModelManifest.from_json(json.dumps(fields))
    assert older == replace(of_kinds, picture=replace(of_kinds.picture, texture=None))
    fields["picture"]["texture"] = {"weights": [[1.0]], "bias": [0.0]}
    with pytest.raises(ManifestError, match=r"manifest\.picture\.texture has 1 kinds; the model has 2"):
        ModelManifest.from_json(json.dumps(fields))
    few = finished_pictures(
        drawn.surfaces(bad=8), drawn.SEGMENTER, "few", PictureFitSettings(), drawn.averages
    ).manifest
    assert few.picture is not None and few.picture.texture is None


def test_a_damaged_file_of_pictures_is_refused() -> None:
    bundle = drawn.float_bundle()
    with pytest.raises(BundleError, match="cannot be read"):
        from_bytes(b"PK no", ("a",), False)
    kept = tuple(one for one in bundle.manifest.files if one.file != PICTURES_FILE)
    files = {name: content for name, content in bundle.files.items() if name != PICTURES_FILE}
    with pytest.raises(BundleError, match=r"pictures\.npz"):
        quantised_bundle(Bundle(replace(bundle.manifest, files=kept), files), 8)


def test_the_limit_lies_above_few_good_pictures_and_at_the_largest_of_many() -> None:
    raw = np.array([1.0, 1.1, 0.9, 1.4])
    assert fitted_limit(raw) == pytest.approx(1.05 + 1.5 * 0.525)
    assert fitted_limit(np.array([1.0, 1.0, 3.0])) == pytest.approx(1.0 + 1.5 * 2.0)
    chance = np.random.Generator(np.random.PCG64(4))
    called = 0
    for _ in range(2_000):  # scores of no tame distribution: one good part in 31 lies above
        *taught, following = np.exp(2.0 * chance.standard_normal(31))
        limit = fitted_limit(np.array(taught))
        assert limit == pytest.approx(max(taught))
        called += following > limit
    assert 2_000 / 31 * 0.7 < called < 2_000 / 31 * 1.3
    with pytest.raises(ModelError):
        fitted_limit(np.zeros(0))


def test_without_defective_pictures_made_up_ones_judge_and_the_card_says_so() -> None:
    bundle = finished_pictures(
        drawn.surfaces(bad=0), PictureKind.GOOD_PARTS, "good", PictureFitSettings(), drawn.averages
    )
    assert "this says nothing about real defects" in " ".join(bundle.model_card.split())
    assert "made-up defects" in bundle.model_card


def test_pictures_of_two_sizes_or_without_good_ones_are_refused() -> None:
    pictures = drawn.surfaces(good=5, bad=3)
    other = tuple(MarkedPicture(one.picture[:, :-8], one.kind) for one in pictures.pictures[:3])
    for wrong, words in (
        ((*other, *pictures.pictures), "one size"),
        (pictures.pictures[5:], "good part"),
        ((), "good part"),
    ):
        with pytest.raises(ModelError, match=words):
            finished_pictures(
                TrainingPictures(wrong, ""),
                PictureKind.GOOD_PARTS,
                "wrong",
                PictureFitSettings(),
                drawn.averages,
            )
