"""Pictures with their marks, from files: decoded to grey, with masks or boxes of what is defective.

Duty: bytes to arrays for training and judging, and the folder that `stethos train` reads. The service reads
its cameras by `appliance.sources.camera_*`, in a process of its own; this is for a person's own files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from appliance.errors import Rejected
from appliance.installation import vision_remedy
from appliance.sources.camera_files import SUFFIXES, file_trouble
from models.training.drawn_defects import BoolArray
from models.training.pictures import GOOD, MarkedPicture, TrainingPictures, mask_of_boxes
from models.vision.inspection import UInt8Array

GOOD_FOLDER = "good"
MASK_SUFFIX = ".mask.png"
Box = tuple[int, int, int, int]  # left, top, right, bottom; all inside
_OBJECT = re.compile(r"<bndbox>(.*?)</bndbox>", re.DOTALL)
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def grey_picture(name: str, content: bytes) -> UInt8Array:
    """A JPEG or PNG as grey values `(h, w)`. Raises Rejected that says what is wrong, or what to install."""
    try:
        import cv2
    except ImportError as error:
        raise Rejected(f"pictures need OpenCV ({error}): {vision_remedy()}") from error
    if trouble := file_trouble(content):
        raise Rejected(f"{name}: {trouble}")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise Rejected(f"{name}: it cannot be decoded ({error})") from error
    if pixels is None:
        raise Rejected(f"{name}: it cannot be decoded")
    return np.asarray(pixels, dtype=np.uint8)


def boxes_of(name: str, content: bytes) -> list[Box]:
    """The boxes of a Pascal VOC annotation, counted from 0. Raises Rejected for one that is none."""
    boxes = []
    for found in _OBJECT.findall(content.decode("utf-8", errors="replace")):
        edges = [re.search(rf"<{edge}>\s*(-?\d+)", found) for edge in _EDGES]
        if any(edge is None for edge in edges):
            raise Rejected(f"{name}: a box lacks one of {', '.join(_EDGES)}")
        left, top, right, bottom = (int(edge.group(1)) - 1 for edge in edges if edge is not None)
        boxes.append((left, top, right, bottom))
    return boxes


def mark_names(name: str) -> tuple[str, ...]:
    """Names under which a picture's marks are looked for, in that order."""
    stem, _, suffix = name.rpartition(".")
    beside = (f"{stem}.png",) if suffix.lower() in ("jpg", "jpeg") else ()
    return (f"{stem}{MASK_SUFFIX}", *beside, f"{stem}.xml")


def is_picture(name: str, among: Collection[str]) -> bool:
    """Whether a file is a picture, not the mask of another of them."""
    lower = name.lower()
    if not lower.endswith(SUFFIXES) or lower.endswith(MASK_SUFFIX):
        return False
    stem = name.rpartition(".")[0]
    return not lower.endswith(".png") or not any(f"{stem}{one}" in among for one in (".jpg", ".jpeg", ".JPG"))


def marked(
    name: str, read: Callable[[str], bytes], among: Collection[str], kind: str
) -> tuple[MarkedPicture, Sequence[Box]]:
    """One picture with the marks that lie beside it, and its boxes where those are boxes. Raises Rejected."""
    picture = grey_picture(name, read(name))
    shape = (picture.shape[0], picture.shape[1])
    mark = next((one for one in mark_names(name) if one in among), None)
    if mark is None:
        return MarkedPicture(picture, kind), ()
    if mark.endswith(".xml"):
        boxes = boxes_of(mark, read(mark))
        return MarkedPicture(picture, kind, mask_of_boxes(shape, boxes)), boxes
    mask: BoolArray = grey_picture(mark, read(mark)) > 127
    if mask.shape != shape:
        raise Rejected(f"{mark}: the mask is {mask.shape[1]} x {mask.shape[0]} pixels, its picture is not")
    return MarkedPicture(picture, kind, mask), ()


def folder_pictures(folder: Path, say: Callable[[str], None]) -> TrainingPictures:
    """Pictures of `FOLDER/good`, and of other sub-folders as kinds of defects; in the order of their names.

    A folder without sub-folders holds good parts. Raises Rejected where none can be used.
    """
    kinds = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found: list[MarkedPicture] = []
    for source in kinds or [folder]:
        kind = GOOD if source == folder or source.name.lower() == GOOD_FOLDER else source.name
        names = {path.name for path in source.iterdir() if path.is_file()}
        for name in sorted(name for name in names if is_picture(name, names)):
            try:
                found.append(marked(name, lambda one, at=source: (at / one).read_bytes(), names, kind)[0])  # type: ignore[misc]
            except (Rejected, OSError) as error:
                say(f"{source / name}: {error}, left out")
    if not found:
        raise Rejected(f"{folder}: there is no picture that can be read")
    return TrainingPictures(tuple(found), f"{len(found)} pictures of a folder")
