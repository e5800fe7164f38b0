"""The table [models]: networks that score windows before the statistical detector, and what runs them.

Duty: its settings, and the rules between them that need no file. Off without the table. Whether a bundle
is whole and fits its channels is `wiring_models`'s to say: a damaged one must not keep the service from
starting.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import Field

from appliance.config_base import Settings
from models.backends.table import BACKENDS

MAX_SLOTS = 16
MAX_BACKENDS = 8
STATISTICAL = "statistical"
Pattern = Annotated[str, Field(min_length=1, max_length=64)]


class ModelSlotSettings(Settings):
    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9._-]*$",
            max_length=64,
            description="what `stethos models` calls it: lower-case letters, digits, dot, dash, underscore",
            examples=["pumps"],
        ),
    ]
    assets: Annotated[
        list[Pattern],
        Field(
            min_length=1,
            max_length=100,
            description="machines that it is for: ids, or patterns with * and ?",
            examples=[["pump-*"]],
        ),
    ] = ["*"]  # noqa: RUF012
    channels: Annotated[
        list[Pattern],
        Field(
            min_length=1,
            max_length=100,
            description="which of their acceleration channels: ids, or patterns with * and ?",
            examples=[["*.x", "*.y"]],
        ),
    ] = ["*"]  # noqa: RUF012
    bundle: Annotated[
        Path | None,
        Field(
            description="bundle that it begins with: a folder or .zip file; without it, what "
            "`stethos models shadow` and `promote` brought",
            examples=["models/pumps.zip"],
        ),
    ] = None

    def holds(self, asset_id: str, channel_id: str) -> bool:
        """Whether an acceleration channel belongs into this slot."""
        return any(fnmatchcase(asset_id, one) for one in self.assets) and any(
            fnmatchcase(channel_id, one) for one in self.channels
        )


class ModelsSettings(Settings):
    backends: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=80)]],
        Field(
            min_length=1,
            max_length=MAX_BACKENDS,
            description="runtimes in order of preference, each a name of models/backends/README.md, with a "
            "device after a colon where it has several; behind the last stands the statistical detector",
            examples=[["openvino:NPU", "onnxruntime", "numpy_reference"]],
        ),
    ] = ["onnxruntime", "numpy_reference"]  # noqa: RUF012
    deadline_ms: Annotated[
        float,
        Field(
            ge=10,
            le=10_000,
            description="within which a call is answered, by whomever; the first choice gets at most half",
        ),
    ] = 160.0
    memory_limit_mb: Annotated[
        int, Field(ge=64, le=65_536, description="memory of one runtime's process; beyond it is ended, MB")
    ] = 1024
    slots: Annotated[
        list[ModelSlotSettings],
        Field(min_length=1, max_length=MAX_SLOTS, description="one [[models.slots]] table for each network"),
    ]


def backend_and_device(text: str) -> tuple[str, str]:
    """A backend's name, and the device after its colon ("" without)."""
    name, _, device = text.partition(":")
    return name, device


def model_problems(
    models: ModelsSettings, sensed: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Every broken rule as (key, reason, remedy). `sensed`: (asset, channel) of each acceleration channel."""
    seen: set[str] = set()
    for i, text in enumerate(models.backends):
        key, (name, _) = f"models.backends[{i}]", backend_and_device(text)
        if name == STATISTICAL:
            yield (
                key,
                "the statistical detector is always the last of the chain",
                "Leave it out; to let it answer, run `stethos models use statistical`.",
            )
        elif name not in BACKENDS:
            close = difflib.get_close_matches(name, BACKENDS, n=1)
            known = f"Did you mean {close[0]}? " if close else ""
            yield key, f"there is no backend {name!r}", f"{known}There are: {', '.join(sorted(BACKENDS))}."
        if text in seen:
            yield key, f"{text!r} stands there twice", "Name each runtime once, the preferred one first."
        seen.add(text)
    yield from _slot_problems(models.slots, sensed)


def _slot_problems(
    slots: Sequence[ModelSlotSettings], sensed: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, str]]:
    names: set[str] = set()
    owner: dict[str, str] = {}
    for i, slot in enumerate(slots):
        key = f"models.slots[{i}]"
        if slot.name in names:
            yield f"{key}.name", f"{slot.name!r} is the name of another slot", "Give each a name of its own."
        names.add(slot.name)
        own = [channel for asset, channel in sensed if slot.holds(asset, channel)]
        if not own:
            have = ", ".join(f"{channel} of {asset}" for asset, channel in sensed[:8])
            yield (
                key,
                "no acceleration channel belongs to it",
                f"Correct assets and channels; there are: {have}.",
            )
        for channel in own:
            if channel in owner:
                yield (
                    key,
                    f"channel {channel!r} belongs to slot {owner[channel]!r} already",
                    "Narrow assets or channels: one network judges a channel.",
                )
                break
            owner[channel] = slot.name
