"""Pictures that are kept can be opened by others, and hold every pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest

from appliance.png_picture import encode_png

Image = pytest.importorskip("PIL.Image", reason="another reader of PNG is needed (Pillow)")


@pytest.mark.parametrize("shape", [(1, 1), (37, 53), (480, 640), (20, 31, 3)])
def test_another_reader_finds_every_pixel(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    read = np.asarray(Image.open(io.BytesIO(encode_png(picture))))
    np.testing.assert_array_equal(read, picture)


def test_other_types_are_refused() -> None:
    for picture in (np.zeros((4, 4), np.float32), np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8)):
        with pytest.raises(ValueError, match="8-bit"):
            encode_png(picture)
