"""What an OPC UA server has kept of a variable: HistoryRead of raw values, a page at a time.

Duty: the service call (OPC 10000-11, 6.4.3), its paging by time, and what of an answer is a value that can be
taken. Bounded in values and in time. Decides nothing about gaps; stores nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asyncua import ua
from asyncua.client.client import Client

from appliance.sources.opcua_values import OpcUaTag, ValueRefusedError, checked_value, quality_of
from dsp.samples import Quality

PAGE = 1_000  # values per request: some 40 KB
MOST_VALUES = 200_000  # of one interval: a day at 2 Hz
MOST_SEEN = 2 * MOST_VALUES  # with those that cannot be taken: bad ones, and such as bear another time
PAGE_TIMEOUT_S = 10.0
REST_S = 0.02  # between two pages: the server has other clients
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoHistoryError(Exception):
    """The server does not give the history of a variable; the message says why."""


@dataclass(frozen=True, slots=True)
class PastValue:
    """A value as the server kept it: source timestamp in UTC ns, and in the channel's unit."""

    source_ns: int
    value: float
    quality: Quality


async def past_values(client: Client, tag: OpcUaTag, start_ns: int, end_ns: int) -> list[PastValue]:
    """Good and uncertain values with a source timestamp in [start, end] (UTC of the server), in order.

    No more than MOST_VALUES, the earliest, of MOST_SEEN that are looked at. Raises NoHistoryError; OSError,
    TimeoutError where the link fails.
    """
    found: list[PastValue] = []
    from_ns, n_seen = start_ns, 0
    while len(found) < MOST_VALUES and n_seen < MOST_SEEN:
        page, more = await _page(client, tag, from_ns, end_ns)
        n_seen += len(page)
        stamps = [utc_ns(one.SourceTimestamp) for one in page if one.SourceTimestamp is not None]
        found += [one for one in (_taken(tag, data) for data in page) if one is not None]
        newest_ns = max(stamps, default=from_ns)
        if not more or newest_ns <= from_ns or newest_ns > end_ns:
            break
        from_ns = newest_ns  # once more: others may bear the same time
        await asyncio.sleep(REST_S)
    unique = {one.source_ns: one for one in found if start_ns <= one.source_ns <= end_ns}
    return [unique[stamp] for stamp in sorted(unique)][:MOST_VALUES]


async def _page(client: Client, tag: OpcUaTag, from_ns: int, end_ns: int) -> tuple[list[ua.DataValue], bool]:
    """The first values of an interval, and whether there may be more."""
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime, details.EndTime = _moment(from_ns), _moment(end_ns)
    details.NumValuesPerNode = PAGE
    details.ReturnBounds = False
    node = client.get_node(tag.node)
    try:
        async with asyncio.timeout(PAGE_TIMEOUT_S):
            result = await node.history_read(details)
            result.StatusCode.check()
            values = list(result.HistoryData.DataValues or []) if result.HistoryData is not None else []
            if result.ContinuationPoint:  # the next page is asked for by time: let the server forget this one
                await _release(client, node.nodeid, result.ContinuationPoint)
    except (ua.uaerrors.UaError, AttributeError) as error:
        raise NoHistoryError(f"{tag.node}: {str(error) or type(error).__name__}") from error
    return values, bool(result.ContinuationPoint) or len(values) >= PAGE


async def _release(client: Client, node_id: ua.NodeId, point: bytes) -> None:
    wanted = ua.HistoryReadValueId()
    wanted.NodeId, wanted.ContinuationPoint = node_id, point
    parameters = ua.HistoryReadParameters()
    parameters.HistoryReadDetails = ua.ReadRawModifiedDetails()
    parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
    parameters.ReleaseContinuationPoints = True
    parameters.NodesToRead.append(wanted)
    await client.uaclient.history_read(parameters)


def _taken(tag: OpcUaTag, data: ua.DataValue) -> PastValue | None:
    if data.SourceTimestamp is None or data.Value is None:
        return None
    quality = quality_of(int(data.StatusCode.value) if data.StatusCode else 0)
    if quality is Quality.BAD:
        return None
    try:
        return PastValue(utc_ns(data.SourceTimestamp), checked_value(tag, data.Value.Value), quality)
    except ValueRefusedError:
        return None


def utc_ns(stamp: datetime) -> int:
    """UTC ns of a datetime; the library gives naive ones in UTC."""
    aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
    elapsed = aware - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000_000 + elapsed.microseconds * 1000


def _moment(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)
