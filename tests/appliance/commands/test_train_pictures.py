"""A folder of pictures as `stethos train` reads it: kinds by folder, marks beside, damage left out aloud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.commands.train_pictures import boxes_of, folder_pictures, grey_picture, is_picture
from appliance.errors import Rejected
from appliance.png_picture import encode_png
from tests.fakes import picture_bundles as drawn

cv2 = pytest.importorskip("cv2", reason="pictures need OpenCV: the extra [vision]")

VOC = b"""<annotation><object><name>crack</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>20</xmax>
<ymax>9</ymax></bndbox></object><object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>
</bndbox></object></annotation>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(4)
    for kind in ("good", "crack", "stain"):
        (tmp_path / kind).mkdir()
        for number in range(3):
            (tmp_path / kind / f"{number}.png").write_bytes(encode_png(drawn.surface(chance)))
    (tmp_path / "crack" / "0.xml").write_bytes(VOC)
    mask = np.zeros(drawn.SIZE_PX, np.uint8)
    mask[3:5, 7:9] = 255
    (tmp_path / "stain" / "1.mask.png").write_bytes(encode_png(mask))
    return tmp_path


def test_folders_are_kinds_and_marks_lie_beside(folder: Path) -> None:
    said: list[str] = []
    pictures = folder_pictures(folder, said.append)
    assert said == []
    assert [one.kind for one in pictures.pictures] == ["crack"] * 3 + [""] * 3 + ["stain"] * 3
    crack, stain = pictures.of("crack")[0].mask, pictures.of("stain")[1].mask
    assert crack is not None
    assert crack[5:9, 10:20].all()
    assert crack[:2, :2].all()
    assert crack.sum() == 40 + 4
    assert stain is not None
    assert stain.sum() == 4
    assert pictures.of("good") == []
    assert all(one.mask is None for one in pictures.of(""))


def test_what_is_damaged_is_said_and_left_out(folder: Path) -> None:
    whole = (folder / "good" / "0.png").read_bytes()
    (folder / "good" / "0.png").write_bytes(whole[:-30])
    (folder / "good" / "notes.txt").write_text("no picture")
    (folder / "stain" / "1.mask.png").write_bytes(encode_png(np.zeros((4, 4), np.uint8)))
    said: list[str] = []
    pictures = folder_pictures(folder, said.append)
    assert len(pictures.pictures) == 7
    assert len(said) == 2
    assert "0.png" in said[0] + said[1]
    assert "the mask is 4 x 4 pixels" in said[0] + said[1]


def test_a_folder_without_sub_folders_holds_good_parts(folder: Path) -> None:
    pictures = folder_pictures(folder / "good", lambda text: None)
    assert [one.kind for one in pictures.pictures] == [""] * 3
    with pytest.raises(Rejected, match="no picture"):
        (folder / "empty").mkdir()
        folder_pictures(folder / "empty", lambda text: None)


def test_a_mask_beside_a_jpeg_is_no_picture() -> None:
    names = {"a.jpg", "a.png", "b.png", "b.mask.png", "c.txt"}
    assert {name for name in names if is_picture(name, names)} == {"a.jpg", "b.png"}


def test_a_picture_comes_back_as_it_was_and_what_is_none_is_refused() -> None:
    picture = drawn.surface(np.random.default_rng(1))
    np.testing.assert_array_equal(grey_picture("a.png", encode_png(picture)), picture)
    with pytest.raises(Rejected, match=r"a\.png"):
        grey_picture("a.png", b"GIF89a")
    with pytest.raises(Rejected, match="lacks one of"):
        boxes_of("a.xml", b"<bndbox><xmin>1</xmin></bndbox>")
