"""The tables [[assets.process_groups]] and [[assets.slow_tags]]: process values that are judged.

Duty: their settings and the rules between them. Without a table process values are shown and stored, no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from appliance.config_base import Settings
from models.process_detector import ProcessRules
from models.slow_tag import SlowTagRules

MAX_GROUPS = 8
MAX_SLOW_TAGS = 32
LEAST_ROWS = 400  # what the detector's figures were judged with
MOST_CELLS = 40_000  # rows that are learned x channels: they are kept in the journal while they are learned
LEAST_VALUES, MOST_VALUES = (
    100,
    5000,
)  # that a slow tag learns from; of fewer, a step hides in its own reference

Problem = tuple[str, str, str]  # key, reason, remedy
_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64, examples=["water"])]


class ProcessGroupSettings(Settings):
    """Process values of one machine that are judged together, row by row."""

    id: Annotated[_Id, Field(description="what this group is called, with the rules of an id")]
    channels: Annotated[
        list[_Id],
        Field(
            min_length=1,
            max_length=40,
            description="channels of OPC UA tags of this machine",
            examples=[["pump-2-flow", "pump-2-pressure"]],
        ),
    ]
    row_s: Annotated[
        float, Field(ge=1, le=3600, description="values are averaged over this time into one row, s")
    ] = 10.0
    learn_h: Annotated[
        float,
        Field(gt=0, le=1000, description="steady, healthy running that teaches an operating state, h"),
    ] = 8.0
    settle_s: Annotated[
        float,
        Field(ge=0, le=7200, description="after a start, or a change of speed or load, rows say nothing, s"),
    ] = 300.0
    limit_spreads: Annotated[
        float, Field(ge=2, le=20, description="how far a tag may leave its level, in learned spreads")
    ] = ProcessRules().limit


class SlowTagSettings(Settings):
    """A temperature, level or the like that is judged over weeks."""

    channel: Annotated[_Id, Field(description="channel of an OPC UA tag of this machine")]
    value_min: Annotated[
        float, Field(ge=1, le=1440, description="values are averaged over this time into one, minutes")
    ] = 60.0
    learn_days: Annotated[float, Field(gt=0, le=366, description="running that is learned from, days")] = 14.0
    limit_spreads: Annotated[
        float, Field(ge=2, le=4, description="how far it may leave what it was of late, in spreads")
    ] = SlowTagRules().limit
    only_running: Annotated[
        bool, Field(description="true: values of a machine at rest, or in run-up, are left out")
    ] = False


def learn_rows(group: ProcessGroupSettings) -> int:
    """How many rows teach a group in one operating state."""
    return round(group.learn_h * 3600.0 / group.row_s)


def learn_values(tag: SlowTagSettings) -> int:
    """How many values teach a slow tag."""
    return round(tag.learn_days * 1440.0 / tag.value_min)


def process_problems(
    key: str,
    groups: Sequence[ProcessGroupSettings],
    slow_tags: Sequence[SlowTagSettings],
    tags: Mapping[str, bool],
) -> Iterator[Problem]:
    """(key, reason, remedy) of everything wrong in one machine's tables.

    `tags` are the machine's channels, True for those of OPC UA tags.
    """
    ids: list[str] = []
    for i, group in enumerate(groups):
        at = f"{key}.process_groups[{i}]"
        if group.id in ids:
            yield f"{at}.id", f'"{group.id}" is already used', "Give every group of a machine its own id."
        ids.append(group.id)
        for k, channel in enumerate(group.channels):
            yield from _channel(f"{at}.channels[{k}]", channel, tags)
        if len(set(group.channels)) < len(group.channels):
            yield f"{at}.channels", "a channel is named twice", "Name each channel once."
        rows = learn_rows(group)
        if rows < LEAST_ROWS:
            yield (
                f"{at}.learn_h",
                f"{group.learn_h:g} h in rows of {group.row_s:g} s are {rows} rows",
                f"At least {LEAST_ROWS} are needed: learn longer, or make row_s smaller.",
            )
        elif (cells := rows * len(group.channels)) > MOST_CELLS:
            yield (
                f"{at}.row_s",
                f"{rows} rows of {len(group.channels)} channels are {cells} values to keep",
                f"At most {MOST_CELLS} are kept while learning: make row_s larger, or split the group.",
            )
    known: list[str] = []
    for i, tag in enumerate(slow_tags):
        at = f"{key}.slow_tags[{i}]"
        yield from _channel(f"{at}.channel", tag.channel, tags)
        if tag.channel in known:
            yield f"{at}.channel", f'"{tag.channel}" is already named', "Name each slow tag once."
        known.append(tag.channel)
        values = learn_values(tag)
        if not LEAST_VALUES <= values <= MOST_VALUES:
            yield (
                f"{at}.learn_days",
                f"{tag.learn_days:g} days in values of {tag.value_min:g} min are {values} values",
                f"{LEAST_VALUES} to {MOST_VALUES} are possible: change learn_days or value_min.",
            )


def _channel(key: str, channel: str, tags: Mapping[str, bool]) -> Iterator[Problem]:
    if channel not in tags:
        known = ", ".join(name for name, is_tag in tags.items() if is_tag) or "none"
        yield key, f'"{channel}" is no channel of this machine', f"Its process values are: {known}."
    elif not tags[channel]:
        yield key, f'"{channel}" is vibration', "Name channels of OPC UA tags: vibration has its own limits."
