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
COLOURS = (256, 128, 64)


def main() -> int:
    """Write the picture; returns an exit code."""
    if not PICTURE.is_file():
        print(f"there is no {PICTURE}: run pytest -m end_to_end tests/end_to_end/story", file=sys.stderr)
        return 1
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(PICTURE) as picture:
        for colours in COLOURS:
            # Few colours matter much: those of the markers, on thin lines. This method keeps rare ones too.
            palette = picture.convert("RGB").quantize(
                colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            )
            palette.save(KEPT, optimize=True)
            if KEPT.stat().st_size <= MOST_BYTES:
                print(f"{KEPT.relative_to(ROOT)}: {palette.size}, {KEPT.stat().st_size} bytes")
                return 0
    print(f"{KEPT} has {KEPT.stat().st_size} bytes, more than {MOST_BYTES}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
