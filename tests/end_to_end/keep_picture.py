"""Keeps the machine page's picture for the README: `python -m tests.end_to_end.keep_picture`.

Duty: takes the picture that the newest end-to-end run left in build/screenshots, reduces it to a palette and
writes it to docs/images. Run the story first (`pytest -m end_to_end tests/end_to_end/story`).
"""

from __future__ import annotations

import sys

from PIL import Image

from tests.conftest import ROOT

PICTURE = ROOT / "build" / "screenshots" / "machine.png"
KEPT = ROOT / "docs" / "images" / "machine-page.png"
MOST_BYTES = 300_000
FREQUENT_COLOURS, RARE_COLOURS = 200, 56


def reduced(picture: Image.Image) -> Image.Image:
    """The picture with 256 colours: its most frequent ones exactly, and some that cover the rest.

    Grounds are large and must not change their tint; markers are thin lines and must not change their hue.
    """
    counted = sorted(picture.getcolors(1 << 24) or [], reverse=True)
    frequent = [colour for _, colour in counted[:FREQUENT_COLOURS]]
    covering = picture.quantize(RARE_COLOURS, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(value for colour in frequent for value in colour), *covering[: 3 * RARE_COLOURS]])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def main() -> int:
    """Write the picture; returns an exit code."""
    if not PICTURE.is_file():
        print(f"there is no {PICTURE}: run pytest -m end_to_end tests/end_to_end/story", file=sys.stderr)
        return 1
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(PICTURE) as picture:
        reduced(picture.convert("RGB")).save(KEPT, optimize=True)
    if KEPT.stat().st_size <= MOST_BYTES:
        print(f"{KEPT.relative_to(ROOT)}: {KEPT.stat().st_size} bytes")
        return 0
    print(f"{KEPT} has {KEPT.stat().st_size} bytes, more than {MOST_BYTES}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
