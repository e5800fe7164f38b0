"""What the centre has, as far as the audit wants to know: sums of series, sums of hours, points.

Duty: asks one question at a time and rests after each, splits those whose answer is too large, and holds sums
against what was sent. Repairs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Protocol

from appliance.reconcile.audit import Slot
from appliance.reconcile.central import SeriesAnswer
from appliance.reconcile.errors import AnswerTooLarge
from appliance.reconcile.questions import (
    LONGEST_SPAN_NS,
    SERIES_AT_ONCE,
    FieldTable,
    FoundPoints,
    fields_of,
    found_points,
    found_sums,
    measurement_question,
    points_question,
    sums_question,
)
from appliance.reconcile.sent_line import SeriesKey
from appliance.reconcile.slot_sums import SeriesSum, SlotSums, agrees

SHORTEST_SPLIT_NS = 1_000_000_000


class Asks(Protocol):
    """Who answers questions: `central.CentralReader`."""

    async def ask(self, question: str) -> list[SeriesAnswer]: ...


class CentreAccount:
    """The centre's side. Every method raises CentralUnavailable, CentralRefused; AnswerTooLarge where the
    smallest part of a question still has too large an answer."""

    def __init__(
        self,
        reader: Asks,
        device_id: str,
        *,
        rest_s: float = 0.05,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reader = reader
        self._device_id = device_id
        self._rest_s = rest_s
        self._sleep = sleep

    async def differing_series(
        self, sums: Mapping[Slot, SlotSums], start_ns: int, end_ns: int
    ) -> set[SeriesKey]:
        """The series whose sums over all these slots, within a day, are not those at the centre."""
        totals: dict[SeriesKey, SeriesSum] = {}
        for of_slot in sums.values():
            for series, one in of_slot.items():
                totals.setdefault(series, SeriesSum()).merge(one)
        differing: set[SeriesKey] = set()
        for batch in _of_one_measurement(totals):
            fields = fields_of(totals[series] for series in batch)

            async def ask(some: Sequence[SeriesKey], fields: FieldTable = fields) -> list[SeriesAnswer]:
                return await self._ask(sums_question(some, fields, start_ns, end_ns))

            found = found_sums(await _split(batch, ask), fields, start_ns=start_ns)
            differing |= {one for one in batch if not agrees(totals[one], found.get((one, start_ns)))}
        return differing

    async def differing_slots(
        self, sums: Mapping[Slot, SlotSums], suspects: Collection[SeriesKey], start_ns: int, end_ns: int
    ) -> set[Slot]:
        """Of these slots, within a day, those in which a suspect's sums are not those at the centre."""
        differing: set[Slot] = set()
        for batch in _of_one_measurement(suspects):
            of_batch = set(batch)
            concerned = {
                (slot, series): one
                for slot, of_slot in sums.items()
                for series, one in of_slot.items()
                if series in of_batch
            }
            fields = fields_of(concerned.values())

            async def ask(some: Sequence[SeriesKey], fields: FieldTable = fields) -> list[SeriesAnswer]:
                return await self._ask(sums_question(some, fields, start_ns, end_ns, by_slot=True))

            found = found_sums(await _split(batch, ask), fields, start_ns=start_ns, by_slot=True)
            differing |= {
                slot
                for (slot, series), one in concerned.items()
                if not agrees(one, found.get((series, slot.start_ns)))
            }
        return differing

    async def points_of_series(
        self, series: Collection[SeriesKey], start_ns: int, end_ns: int
    ) -> FoundPoints:
        """All points of some series in an interval."""
        points: FoundPoints = {}
        for batch in _of_one_measurement(series):

            async def ask(from_ns: int, to_ns: int, some: Sequence[SeriesKey] = batch) -> list[SeriesAnswer]:
                return await self._ask(points_question(some, from_ns, to_ns))

            points |= await _split_time(start_ns, end_ns, ask)
        return points

    async def points_of_measurements(
        self, measurements: Collection[str], start_ns: int, end_ns: int
    ) -> FoundPoints:
        """All points of some measurements that bear this device's tag."""
        points: FoundPoints = {}
        for name in measurements:

            async def ask(from_ns: int, to_ns: int, name: str = name) -> list[SeriesAnswer]:
                return await self._ask(measurement_question(name, self._device_id, from_ns, to_ns))

            points |= await _split_time(start_ns, end_ns, ask)
        return points

    async def _ask(self, question: str) -> list[SeriesAnswer]:
        answer = await self._reader.ask(question)
        await self._sleep(self._rest_s)
        return answer


def _of_one_measurement(series: Collection[SeriesKey]) -> Iterator[list[SeriesKey]]:
    """Series by measurement, no more at once than a question should name."""
    ordered = sorted(series, key=lambda one: one.measurement)
    for _, group in groupby(ordered, key=lambda one: one.measurement):
        same = list(group)
        for at in range(0, len(same), SERIES_AT_ONCE):
            yield same[at : at + SERIES_AT_ONCE]


async def _split(
    series: Sequence[SeriesKey], ask: Callable[[Sequence[SeriesKey]], Awaitable[list[SeriesAnswer]]]
) -> list[SeriesAnswer]:
    """One question, or two halves of it where the answer is too large."""
    try:
        return await ask(series)
    except AnswerTooLarge:
        if len(series) == 1:
            raise
    middle = len(series) // 2
    return [*await _split(series[:middle], ask), *await _split(series[middle:], ask)]


async def _split_time(
    start_ns: int, end_ns: int, ask: Callable[[int, int], Awaitable[list[SeriesAnswer]]]
) -> FoundPoints:
    """The same in time."""
    if end_ns - start_ns <= LONGEST_SPAN_NS:
        try:
            return found_points(await ask(start_ns, end_ns))
        except AnswerTooLarge:
            if end_ns - start_ns < 2 * SHORTEST_SPLIT_NS:
                raise
    middle_ns = (start_ns + end_ns) // 2
    first = await _split_time(start_ns, middle_ns, ask)
    return first | await _split_time(middle_ns, end_ns, ask)
