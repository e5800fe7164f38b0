"""Forecasts as journal records, and back.

Duty: the payload of ADVISORY records. Pure; the journal gives a record its own time, from which a forecast's
times count. A forecast that is withdrawn is a record too: the newest of a channel and boundary is what holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson

from appliance.analysis_watch import Advisory
from appliance.clock import Clock
from appliance.errors import Rejected
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from models.prognosis import Forecast

FORMAT = "advisory-1"


def advisory_record(advisory: Advisory, asset_id: str, clock: Clock) -> NewRecord:
    """The record of one advisory, of the time of the window that it was made at."""
    forecast = advisory.forecast
    payload = {
        "format": FORMAT,
        "asset_id": asset_id,
        "channel_id": advisory.channel_id,
        "boundary": advisory.boundary,
        "text": advisory.text,
        "forecast": None if forecast is None else _fields(forecast),
    }
    subject = f"{advisory.channel_id}/{advisory.boundary}"
    return NewRecord(
        RecordClass.ALARM,
        RecordKind.ADVISORY,
        f"advisory/{subject}/{clock.wall(advisory.time_ns).time_ns}",
        subject,
        advisory.time_ns,
        orjson.dumps(payload),
    )


def stored_advisory(record: Record) -> Advisory:
    """The advisory of a record; its time is the record's, UTC ns. Raises Rejected if its payload is none."""
    try:
        fields = orjson.loads(record.payload)
        if fields["format"] != FORMAT:
            raise ValueError(f"format {fields['format']!r}; {FORMAT!r} is known")
        boundary = str(fields["boundary"])
        forecast = None if fields["forecast"] is None else _forecast(boundary, fields["forecast"])
        return Advisory(str(fields["channel_id"]), record.time_ns, boundary, forecast, str(fields["text"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Rejected(f"record {record.key} is no advisory: {error}") from error


def standing_advisories(records: Iterable[Record], clock: Clock) -> list[Advisory]:
    """The forecasts that still hold of what the journal has, with times of this boot.

    What has passed since is taken off their times; one whose median is over says nothing any more, and a
    record that cannot be read is left out: the journal keeps it.
    """
    now_ns = clock.monotonic_ns()
    now_utc_ns = clock.wall(now_ns).time_ns
    standing = []
    for record in records:
        try:
            advisory = stored_advisory(record)
        except Rejected:
            continue
        passed_ns = max(0, now_utc_ns - advisory.time_ns)  # a clock that was set back makes no future
        left = None if advisory.forecast is None else advisory.forecast.after(passed_ns / 1e9)
        if left is not None:
            standing.append(replace(advisory, time_ns=now_ns - passed_ns, forecast=left, text=left.text))
    return standing


def _fields(forecast: Forecast) -> dict[str, Any]:
    """JSON-ready; what is infinite is null."""
    return {
        "median_s": forecast.median_s if math.isfinite(forecast.median_s) else None,
        "lower_s": forecast.lower_s,
        "upper_s": forecast.upper_s if math.isfinite(forecast.upper_s) else None,
        "z": forecast.z,
        "doubling_s": forecast.doubling_s,
    }


def _forecast(boundary: str, fields: dict[str, Any]) -> Forecast:
    median_s, upper_s, doubling_s = fields["median_s"], fields["upper_s"], fields["doubling_s"]
    return Forecast(
        boundary=boundary,
        median_s=math.inf if median_s is None else float(median_s),
        lower_s=float(fields["lower_s"]),
        upper_s=math.inf if upper_s is None else float(upper_s),
        z=float(fields["z"]),
        doubling_s=None if doubling_s is None else float(doubling_s),
    )
