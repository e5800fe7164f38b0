"""Gaps that come out of a damaged file: those that were told, and those that the damage made."""

from __future__ import annotations

import itertools

import orjson
import pytest

from appliance.journal.record import RecordKind
from appliance.journal.store import FILE_NAME
from dsp.samples import Gap, GapCause
from tests.appliance.journal.builders import ALL_TIME, SECOND_NS, START_NS
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.test_damage import garble, page_at
from tests.appliance.journal.test_restamping import boot, flushed, resolved, seconds
from tests.fakes.set_clock import HOUR_NS, StandingClock


@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "damaged"])
async def test_gaps_of_an_untrusted_clock_are_resolved_after_a_salvage_as_without(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """A boot with a trusted clock, one without (a gap within, told twice), then the time is found."""
    boot(monkeypatch, "boot-a.life")
    host = StandingClock(START_NS)
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1, 4)
    await flushed(journal)
    await journal.close()
    boot(monkeypatch, "boot-b.life")
    host = StandingClock(0)
    host.disciplined = False
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 10, 3)
    for end_s in (26, 27):
        journal.record_gap(Gap("speed", 20 * SECOND_NS, end_s * SECOND_NS, GapCause.BACKPRESSURE))
        await flushed(journal)
    seconds(journal, host, 30, 2)
    await flushed(journal)
    await journal.close()
    path = journal.folder / FILE_NAME
    if damaged:
        garble(path, 0, 100)
    clock = host.started_anew()
    journal = await open_journal(clock=clock)
    assert (journal.damage_report is not None) is damaged
    true_ns = START_NS + 24 * HOUR_NS
    host.now_ns, host.offset_ns, host.disciplined = 60 * SECOND_NS, true_ns, True
    await resolved(journal)
    within = (true_ns + 20 * SECOND_NS, true_ns + 27 * SECOND_NS)
    expected = {
        ("speed", START_NS + 4 * SECOND_NS, true_ns + 10 * SECOND_NS, "power off", False),
        ("speed", *within, "backpressure", False),
    }
    entries = await journal.gaps("speed", *ALL_TIME)
    assert {(e.channel_id, e.start_ns, e.end_ns, str(e.cause), e.provisional) for e in entries} == expected
    told = {
        (record.subject, payload["start_ns"], payload["end_ns"], payload["cause"], record.time_bound_s)
        for record in await journal.read(0, {RecordKind.GAP})
        if (payload := orjson.loads(record.payload)) and record.subject == "speed"
    }
    assert told == {(*one[:4], None) for one in expected}


async def test_a_hole_in_an_untrusted_time_is_told_and_moves_with_its_neighbours(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot(monkeypatch, "boot-a.life")
    host = StandingClock(0)
    host.disciplined = False
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1, 400)
    await flushed(journal)
    await journal.close()
    path = journal.folder / FILE_NAME
    garble(path, page_at(path, 1 / 2), 6 * 4_096)
    journal = await open_journal(clock=host.started_anew())
    assert journal.damage_report is not None
    host.offset_ns, host.disciplined = START_NS, True
    host.now_ns = 500 * SECOND_NS
    await resolved(journal)
    times_ns, _ = await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME)
    holes = [(int(a), int(b)) for a, b in itertools.pairwise(times_ns) if b - a > 5 * SECOND_NS]
    assert holes
    entries = await journal.gaps("pump-1.de.x", *ALL_TIME)
    assert [(one.start_ns, one.end_ns) for one in entries if one.cause == GapCause.DAMAGED_STORE] == holes
    told = [orjson.loads(record.payload) for record in await journal.read(0, {RecordKind.GAP})]
    assert [(one["start_ns"], one["end_ns"]) for one in told] == holes
