"""Zips of images of a `MANIFEST.json` to units: one per picture, with its mask or boxes sealed in the label.

Duty: reading, within bounds, and saying what cannot be used and why. Of a name inside the zip only `expN` is
read, the exposure, which is the unit's group; and which marks lie beside a picture. Decides nothing.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.commands.train_pictures import is_picture, marked
from appliance.errors import Rejected
from appliance.sources.recordings import RecordingError
from models.evaluation.protocol import Picture, Unit, UnreadableUnit
from models.evaluation.sealed import RevealedLabel, SealedLabel

LAYOUTS = frozenset({"images_masks", "images_boxes"})
_MOST_FILES, _MOST_BYTES = 20_000, 64 << 20
_EXPOSURE = re.compile(r"exp\d+")


def picture_units(
    path: Path, unit: Unit, label: dict[str, Any], remark: Callable[[str], None]
) -> Iterator[Unit | UnreadableUnit]:
    """Each picture of a zip as a unit like `unit`. Raises RecordingError for what is no such zip."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise RecordingError(path, f"it is no zip that can be read ({error})", "copy it anew") from error
    with archive:
        sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
        if len(sizes) > _MOST_FILES:
            raise RecordingError(path, f"it holds {len(sizes)} files", f"at most {_MOST_FILES} are read")

        def read(name: str) -> bytes:
            if sizes[name] > _MOST_BYTES:
                raise Rejected(f"{name}: it unpacks to {sizes[name]} bytes, at most {_MOST_BYTES} are read")
            return archive.read(name)

        names = [name for name in sizes if is_picture(name, sizes)]
        if not names:
            raise RecordingError(path, "it holds no picture", "its layout says images: correct 'layout'")
        for name in names:
            yield _unit(unit, name, label, read, sizes, remark)


def _unit(  # noqa: PLR0917
    unit: Unit,
    name: str,
    label: dict[str, Any],
    read: Callable[[str], bytes],
    among: dict[str, int],
    remark: Callable[[str], None],
) -> Unit | UnreadableUnit:
    called = f"{unit.name}: {name}"
    try:
        one, boxes = marked(name, read, among, "")
    except (Rejected, OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        reason = f"{called}: {error}"
        remark(reason)
        return UnreadableUnit(called, reason, SealedLabel(RevealedLabel(label)))
    columns: dict[str, Any] = {}
    if one.mask is not None:
        columns = {"boxes": np.array(boxes, np.int64).reshape(-1, 4)} if boxes else {"mask": one.mask}
    found = _EXPOSURE.search(name.rpartition("/")[2])
    return replace(
        unit,
        name=called,
        content=Picture(one.picture),
        sealed=SealedLabel(RevealedLabel(label, columns)),
        group=unit.group or (found.group(0) if found else ""),
    )
