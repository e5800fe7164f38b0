"""Builds sources from their settings.

Duty: units, channels and secrets of what is under [[sources]]. Holds no logic of any part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from appliance.config import UNITS, OpcUaSettings, SerialSettings
from appliance.config_base import Settings
from appliance.inspection_tag_session import PlcAddress
from appliance.secret_file import secret_of
from appliance.sources.opcua_client import OpcUaSource
from appliance.sources.opcua_values import OpcUaTag
from appliance.sources.serial_blocks import AxisChannel
from appliance.sources.serial_bridge import SerialSource
from appliance.sources.source import Source
from dsp.samples import Channel, Measurand

STANDARD_GRAVITY_MPS2 = 9.80665


def _serial_source(settings: SerialSettings) -> SerialSource:
    full_scale_mps2 = settings.range_g * STANDARD_GRAVITY_MPS2
    axes = tuple(
        AxisChannel(
            "xyz".index(axis.axis),
            Channel(
                axis.channel,
                axis.asset,
                Measurand.ACCELERATION,
                "m/s2",
                settings.sample_rate_hz,
                full_scale_mps2,
                settings.id,
            ),
        )
        for axis in settings.axes
    )
    return SerialSource(
        settings.id,
        str(settings.device),
        axes,
        baud=settings.baud,
        serial_number=settings.serial_number,
        silence_s=settings.silence_s,
    )


def _opcua_source(settings: OpcUaSettings) -> OpcUaSource:
    tags = []
    for tag in settings.tags:
        factor, unit = (1.0, tag.unit)
        if tag.measurand in UNITS:
            factor, unit = UNITS[tag.measurand][tag.unit]
        channel = Channel(tag.channel, tag.asset, Measurand(tag.measurand), unit, 0.0, math.inf)
        tags.append(OpcUaTag(tag.node, channel, factor))
    return OpcUaSource(
        settings.id,
        settings.url,
        tuple(tags),
        user=settings.user,
        password=secret_of(settings.password_file),
        publish_interval_ms=settings.publish_interval_ms,
        silence_s=settings.silence_s,
    )


def build_sources(settings: Iterable[SerialSettings | OpcUaSettings]) -> list[Source]:
    """What is listened to; of a server that is only written to, nothing is."""
    return [
        SOURCE_BUILDERS[type(one)](one) for one in settings if isinstance(one, SerialSettings) or one.tags
    ]


def verdict_plcs(settings: Iterable[SerialSettings | OpcUaSettings]) -> dict[str, PlcAddress]:
    """The servers that cameras may be told to write their verdicts to, by source id."""
    return {
        one.id: PlcAddress(one.id, one.url, one.user, partial(secret_of, one.password_file))
        for one in settings
        if isinstance(one, OpcUaSettings)
    }


def historians(sources: Iterable[Source]) -> list[OpcUaSource]:
    """The sources whose peer may have kept what was missed."""
    return [source for source in sources if isinstance(source, OpcUaSource)]


SOURCE_BUILDERS: dict[type[Settings], Callable[[Any], Source]] = {
    SerialSettings: _serial_source,
    OpcUaSettings: _opcua_source,
}
"""What is built for which kind of entry under [[sources]]."""
