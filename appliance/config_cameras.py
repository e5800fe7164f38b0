"""The tables [[cameras]]: pictures of parts, what inspects them, and how soon the line must know.

Duty: their settings and the rules between them. Without them no picture is looked at. Cameras need the extra
`vision`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from appliance.config_base import Settings
from models.backends.table import BACKENDS

MAX_CAMERAS = 16
_NODE = r"^(ns=\d+;)?[isgb]=.+$|^nsu=.+;[isgb]=.+$"


class VerdictTagsSettings(Settings):
    """Tags of the line's PLC into which a camera's verdicts are written. Nothing else ever is."""

    source: Annotated[
        str,
        Field(min_length=1, description="id of the OPC UA source whose server has them", examples=["plc"]),
    ]
    verdict: Annotated[
        str,
        Field(
            pattern=_NODE,
            description="OPC UA node id of an integer: 0 no verdict, 1 good, 2 defect",
            examples=["ns=2;s=Press3.Verdict"],
        ),
    ]
    part_number: Annotated[
        str,
        Field(
            pattern=_NODE,
            description="OPC UA node id of an integer: changes with each part whose verdict is decided",
            examples=["ns=2;s=Press3.PartNumber"],
        ),
    ]
    score: Annotated[
        str,
        Field(
            pattern=f"^$|{_NODE}",
            description="OPC UA node id of a Float or Double: 1 is the limit; empty: none",
        ),
    ] = ""


class CameraBase(Settings):
    """What every kind of camera has."""

    id: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9._-]*$",
            max_length=64,
            description="an identifier of lower-case letters, digits, dot, dash and underscore",
            examples=["press-3"],
        ),
    ]
    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=80,
            description="what people call this camera",
            examples=["Press 3, exit"],
        ),
    ]
    colour: Annotated[
        bool, Field(description="true: colours reach the model and are kept; false: grey values alone")
    ] = False
    bundle: Annotated[
        Path | None,
        Field(
            description="model bundle for pictures, a folder or zip; without one, what good parts teach",
            examples=["models/press-3.zip"],
        ),
    ] = None
    runtimes: Annotated[
        list[str],
        Field(
            min_length=1,
            max_length=4,
            description="what runs the bundle, in the order of preference",
            examples=[["onnxruntime", "numpy_reference"]],
        ),
    ] = ["onnxruntime", "numpy_reference"]  # noqa: RUF012 - pydantic copies it
    latency_budget_ms: Annotated[
        float,
        Field(
            ge=1,
            le=60_000,
            description="from the picture to the verdict; a part that takes longer has none, ms",
        ),
    ] = 100.0
    queue_frames: Annotated[
        int, Field(ge=1, le=64, description="pictures that may wait; more push the oldest out")
    ] = 4
    learn_pictures: Annotated[
        int,
        Field(
            ge=12, le=1000, description="pictures of good parts, the first that come, that teach the camera"
        ),
    ] = 30
    defects_needed: Annotated[
        int,
        Field(ge=1, le=1000, description="so many defects among the last defects_of parts are an alarm"),
    ] = 3
    defects_of: Annotated[int, Field(ge=1, le=1000, description="see defects_needed")] = 10
    pictures_per_hour: Annotated[
        int, Field(ge=0, le=3600, description="pictures of defects and unsure parts kept in an hour at most")
    ] = 60
    unsure_budget_mb: Annotated[
        float,
        Field(
            ge=0,
            le=1e5,
            description="pictures of unsure parts that may leave for the object store in a day, MB; 0: none",
        ),
    ] = 20.0
    verdict_tags: VerdictTagsSettings | None = None


class FolderCameraSettings(CameraBase):
    """A folder into which a camera's program puts JPEG and PNG files; each is a part."""

    kind: Literal["folder"]
    folder: Annotated[Path, Field(description="where the files appear", examples=["/srv/pictures/press-3"])]
    delete_after: Annotated[
        bool,
        Field(description="true: a file leaves once taken; false: files stay, those of before are left"),
    ] = False


class StreamCameraSettings(CameraBase):
    """What cameras have that deliver by themselves. Without a trigger each frame is a part."""

    period_s: Annotated[
        float, Field(ge=0, le=3600, description="a picture each so many seconds; 0: not by time")
    ] = 0.0
    trigger_channel: Annotated[
        str,
        Field(
            pattern=r"^([a-z0-9][a-z0-9._-]*)?$",
            max_length=64,
            description="channel of an OPC UA tag that tells parts, see trigger_by; empty: not by tag",
        ),
    ] = ""
    trigger_by: Annotated[
        Literal["edge", "count"],
        Field(description="edge: a part each time the tag rises to true or 1; count: each time it grew by 1"),
    ] = "edge"
    silence_s: Annotated[
        float, Field(ge=0.5, le=60, description="no frame for this long means the camera is lost, s")
    ] = 5.0


class V4l2CameraSettings(StreamCameraSettings):
    """A camera of this box (Video4Linux)."""

    kind: Literal["v4l2"]
    device: Annotated[
        Path,
        Field(
            description="device; a name under /dev/v4l/by-id stays the same after replugging",
            examples=["/dev/v4l/by-id/usb-ACME_Cam_7-video-index0"],
        ),
    ]
    width_px: Annotated[int, Field(ge=0, le=8192, description="wanted width; 0: what the camera gives")] = 0
    height_px: Annotated[int, Field(ge=0, le=8192, description="wanted height; 0: what the camera gives")] = 0


class UrlCameraSettings(StreamCameraSettings):
    """A network camera: RTSP, or Motion JPEG over HTTP."""

    kind: Literal["network"]
    url: Annotated[
        str,
        Field(
            pattern=r"^(rtsp|rtsps|http|https)://[^/\s@]+(/\S*)?$",
            description="address of the stream, without user and password",
            examples=["rtsp://192.168.1.40:554/stream1"],
        ),
    ]
    user: Annotated[str, Field(max_length=64, description="user name; empty: none")] = ""
    password_file: Annotated[Path | None, Field(description="file that holds the password, mode 0600")] = None


CameraSettings = Annotated[
    FolderCameraSettings | V4l2CameraSettings | UrlCameraSettings, Field(discriminator="kind")
]


def camera_problems(
    cameras: Sequence[FolderCameraSettings | V4l2CameraSettings | UrlCameraSettings],
    *,
    taken_ids: Collection[str],
    tags: Collection[str],
    plcs: Mapping[str, Collection[str]],
) -> Iterator[tuple[str, str, str]]:
    """Every broken rule as (key, reason, remedy). `taken_ids`: of machines and sources; `tags`: channels;
    `plcs`: what is read of each OPC UA source, as node ids."""
    seen: dict[str, str] = {}
    folders: dict[Path, str] = {}
    written: dict[tuple[str, str], str] = {}
    for i, camera in enumerate(cameras):
        key = f"cameras[{i}]"
        if camera.id in taken_ids or camera.id in seen:
            where = seen.get(camera.id, "a machine or a source")
            yield f"{key}.id", f'"{camera.id}" is already used by {where}', "Give every camera its own id."
        seen.setdefault(camera.id, f"{key}.id")
        if camera.defects_needed > camera.defects_of:
            reason = f"{camera.defects_needed} defects among {camera.defects_of} parts cannot be"
            yield f"{key}.defects_needed", reason, "Write defects_of at least as large."
        yield from _model(key, camera)
        yield from _written(f"{key}.verdict_tags", camera.verdict_tags, plcs, written)
        if isinstance(camera, FolderCameraSettings):
            if not camera.folder.is_dir():
                yield (
                    f"{key}.folder",
                    f"there is no folder {camera.folder}",
                    "Create it, or correct the path.",
                )
            if camera.folder in folders:
                reason = f"is already watched by {folders[camera.folder]}"
                yield f"{key}.folder", reason, "Give every camera its own folder."
            folders.setdefault(camera.folder, key)
            continue
        if camera.period_s and camera.trigger_channel:
            reason = "is set beside period_s: a picture has one trigger"
            yield f"{key}.trigger_channel", reason, "Keep one of them."
        if camera.trigger_channel and camera.trigger_channel not in tags:
            reason = f'there is no OPC UA tag with the channel "{camera.trigger_channel}"'
            known = f"Tags are: {', '.join(sorted(tags))}." if tags else "Add it under [[sources.tags]]."
            yield f"{key}.trigger_channel", reason, known
        if camera.trigger_by == "count" and not camera.trigger_channel:
            reason = '"count" needs a tag that counts'
            yield f"{key}.trigger_by", reason, "Write trigger_channel, or leave trigger_by out."
        if isinstance(camera, UrlCameraSettings):
            yield from _access(key, camera)


def _model(key: str, camera: CameraBase) -> Iterator[tuple[str, str, str]]:
    if camera.bundle is not None and not camera.bundle.exists():
        yield f"{key}.bundle", f"there is no file or folder {camera.bundle}", "Correct the path."
    for name in camera.runtimes:
        if name not in BACKENDS:
            yield f"{key}.runtimes", f'there is no runtime "{name}"', f"Known are: {', '.join(BACKENDS)}."


def _written(
    key: str,
    tags: VerdictTagsSettings | None,
    plcs: Mapping[str, Collection[str]],
    written: dict[tuple[str, str], str],
) -> Iterator[tuple[str, str, str]]:
    if tags is None:
        return
    if tags.source not in plcs:
        known = f"OPC UA sources are: {', '.join(plcs)}." if plcs else 'Add one, with kind = "opcua".'
        yield f"{key}.source", f'there is no OPC UA source "{tags.source}"', known
        return
    for name in ("verdict", "part_number", "score"):
        if not (node := getattr(tags, name)):
            continue
        if node in plcs[tags.source]:
            reason = f"{node} is read from the same server: what is read is never written"
            yield f"{key}.{name}", reason, "Give the verdict a tag of its own."
        elif (before := written.get((tags.source, node))) is not None:
            yield f"{key}.{name}", f"{node} is already written by {before}", "Give it a tag of its own."
        written.setdefault((tags.source, node), f"{key}.{name}")


def _access(key: str, camera: UrlCameraSettings) -> Iterator[tuple[str, str, str]]:
    path = camera.password_file
    if path is not None and not path.is_file():
        yield f"{key}.password_file", f"there is no file {path}", "Create it, or correct the path."
    if path is not None and not camera.user:
        yield f"{key}.user", "is missing", "A password needs the user it belongs to."
