"""Training on pictures: small, repeatable, finds what it was never shown. Skipped aloud without torch."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.errors import ModelError
from models.network import to_artefact
from models.training.picture_fitting import MAX_PARAMETERS, Crops, PictureFitSettings, fit_pictures
from models.training.picture_making import PictureKind, raw_results, train_pictures
from models.training.pictures import MarkedPicture
from tests.fakes import picture_bundles as drawn

QUICK = PictureFitSettings(steps=70, batch=4, crop_px=64)


def test_without_torch_crops_are_drawn_with_the_kind_of_each_cell() -> None:
    pictures = drawn.surfaces(good=4, bad=4)
    good = Crops(pictures.of(""), (), QUICK)
    seen, cells = good.batch()
    assert seen.shape == (4, 64, 64, 1)
    assert cells.shape == (4, 8, 8)
    assert set(np.unique(cells)) <= {0.0, 1.0}
    kinds = Crops(pictures.pictures, pictures.kinds, QUICK)
    found = {float(value) for _ in range(20) for value in np.unique(kinds.batch()[1])}
    assert {0.0, 1.0, 2.0} <= found <= {-1.0, 0.0, 1.0, 2.0}


def test_without_torch_narrow_pictures_are_mirrored_and_tiny_ones_refused() -> None:
    narrow = [MarkedPicture(np.zeros((200, 40), np.uint8))]
    assert Crops(narrow, (), PictureFitSettings()).size_px == 80
    with pytest.raises(ModelError, match="pixels across"):
        Crops([MarkedPicture(np.zeros((200, 12), np.uint8))], (), PictureFitSettings())
    with pytest.raises(ModelError, match="marked defect"):
        Crops(narrow, ("scratch",), PictureFitSettings())


def test_without_torch_training_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"torch.*\[train\]"):
        fit_pictures(drawn.surfaces().of(""), (), QUICK)


@pytest.mark.training
def test_good_parts_teach_to_find_defects_that_were_never_shown() -> None:
    bundle = train_pictures(drawn.surfaces(), PictureKind.GOOD_PARTS, "quick", QUICK)
    quality = json.loads(bundle.files["training.json"])["quality"]
    assert quality["auroc"] > 0.9
    assert quality["faulty_items"] == 8
    again = train_pictures(drawn.surfaces(), PictureKind.GOOD_PARTS, "quick", QUICK)
    assert again.identity == bundle.identity


@pytest.mark.training
def test_marked_defects_teach_their_kinds_and_places() -> None:
    pictures = drawn.surfaces()
    settings = PictureFitSettings(steps=120, batch=4, crop_px=64)
    bundle = train_pictures(pictures, PictureKind.SEGMENTER, "quick", settings)
    spec = bundle.manifest.picture
    assert spec is not None
    from models.network import from_artefact

    network = from_artefact(bundle.files["float32.json"])
    assert network.parameters <= MAX_PARAMETERS
    assert to_artefact(network) == bundle.files["float32.json"]
    right = hits = 0
    judged = [one for one in pictures.parts()[2] if one.kind]
    for one in judged:
        row = raw_results(spec, network, one.picture[np.newaxis])[0]
        right += spec.kinds[int(row[1:3].argmax())] == one.kind
        row_of, column = np.unravel_index(int(row[3:].argmax()), spec.map_shape)
        assert one.mask is not None
        hits += bool(one.mask[8 * row_of : 8 * row_of + 8, 8 * column : 8 * column + 8].any())
    assert right >= len(judged) - 1
    assert hits >= len(judged) - 1


@pytest.mark.training
def test_the_folded_network_computes_what_torch_computed() -> None:
    """Batch normalisation folded into weights, padding as TensorFlow's SAME: checked against torch itself."""
    import torch

    from models.training import picture_fitting as fitting

    torch.manual_seed(2)
    parts = fitting._made(torch, 2)
    for part in parts[1::2]:
        part.running_mean.normal_(0, 0.2)
        part.running_var.uniform_(0.5, 2.0)
        part.weight.data.uniform_(0.5, 1.5)
        part.bias.data.normal_(0, 0.1)
        part.eval()
    from models.network import LayerNetwork

    network = LayerNetwork((45, 70, 1), fitting._folded(parts))
    pictures = np.random.default_rng(1).normal(size=(2, 45, 70, 1)).astype(np.float32)
    with torch.no_grad():
        wanted = fitting._run(torch, parts, torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(
        network.run(pictures), wanted.numpy().transpose(0, 2, 3, 1), rtol=1e-3, atol=1e-4
    )
