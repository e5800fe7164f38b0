"""Telemetry that leaves before the centre has it is told as lost, once, and only where a centre waits."""

from __future__ import annotations

import orjson
import pytest

from appliance.clock import ReplayClock
from appliance.journal.features import DURATION, encode, features_record, part_duration_ns
from appliance.journal.journal import Journal
from appliance.journal.record import GapState, Record, RecordClass, RecordKind
from appliance.journal.series import tag_record
from dsp.samples import Gap, GapCause
from tests.appliance.journal.builders import ALL_TIME, SECOND_NS, START_NS, alarm, budgets, vector
from tests.appliance.journal.conftest import OpenJournal

SMALL_TELEMETRY = budgets(telemetry=60_000)
CHANNEL = "pump-1.de.x"


async def filled(open_journal: OpenJournal, delivered: int | None, first: int = 0, n: int = 1_000) -> Journal:
    """A journal after so many seconds of two channels, much more than its budget, and every trim."""
    journal = await open_journal(budgets=SMALL_TELEMETRY)
    if delivered is not None:
        journal.mark_delivered("central", RecordClass.TELEMETRY, delivered)
    for second in range(first, first + n):
        journal.submit(features_record(vector(second * SECOND_NS, channel_id=CHANNEL, duration_s=1.0)))
        journal.submit(tag_record("speed", second * SECOND_NS, 24.5, "Hz"))
    await journal.close()
    journal = await open_journal(budgets=SMALL_TELEMETRY)
    await journal.commit([alarm(first + n)])  # one more round, with its trim
    await journal.close()
    return await open_journal(budgets=SMALL_TELEMETRY)


async def told(journal: Journal) -> list[dict[str, object]]:
    records = await journal.read(0, {RecordKind.GAP}, 10_000)
    return [{"channel": record.subject, **orjson.loads(record.payload)} for record in records]


async def kept(journal: Journal, kind: RecordKind) -> list[Record]:
    return await journal.read(0, {kind}, 10_000)


async def test_what_left_unsent_is_one_lost_gap_of_each_channel(open_journal: OpenJournal) -> None:
    journal = await filled(open_journal, delivered=0)
    gaps = await told(journal)
    assert {gap["channel"] for gap in gaps} == {CHANNEL, "speed"}
    assert {(gap["cause"], gap["state"]) for gap in gaps} == {("backpressure", "lost")}
    for channel, kind in ((CHANNEL, RecordKind.FEATURES), ("speed", RecordKind.TAG)):
        newest = [gap for gap in gaps if gap["channel"] == channel][-1]
        first_kept = (await kept(journal, kind))[0]
        assert newest["start_ns"] == START_NS
        assert first_kept.time_ns - SECOND_NS <= newest["end_ns"] <= first_kept.time_ns  # type: ignore[operator]
        entries = [
            one for one in await journal.gaps(channel, *ALL_TIME) if one.cause is GapCause.BACKPRESSURE
        ]
        assert [(one.start_ns, one.end_ns, one.state) for one in entries] == [
            (START_NS, newest["end_ns"], GapState.LOST)
        ]


async def test_without_a_centre_nothing_is_told(open_journal: OpenJournal) -> None:
    journal = await filled(open_journal, delivered=None)
    assert len(await kept(journal, RecordKind.FEATURES)) < 900
    assert await told(journal) == []


async def test_what_the_centre_has_is_not_told(open_journal: OpenJournal) -> None:
    journal = await filled(open_journal, delivered=400)  # two records a second: 200 s
    for gap in await told(journal):
        assert gap["start_ns"] >= START_NS + 200 * SECOND_NS  # type: ignore[operator]
    journal.mark_delivered("central", RecordClass.TELEMETRY, journal.last_sequence)
    await journal.close()
    before = len(await told(journal := await open_journal(budgets=SMALL_TELEMETRY)))
    await journal.close()
    journal = await filled(open_journal, delivered=1 << 40, first=2_000)
    assert len(await told(journal)) <= before


async def test_a_long_outage_ends_as_one_entry_however_many_steps_it_took(open_journal: OpenJournal) -> None:
    for part in range(4):
        journal = await filled(open_journal, delivered=0, first=part * 1_000)
        await journal.close()
    journal = await open_journal(budgets=SMALL_TELEMETRY)
    entries = await journal.gaps(CHANNEL, *ALL_TIME)
    lost = [one for one in entries if one.cause is GapCause.BACKPRESSURE]
    assert lost[0].start_ns == START_NS
    covered_s = sum(one.end_ns - one.start_ns for one in lost) / 1e9
    first_kept = (await kept(journal, RecordKind.FEATURES))[0]
    assert covered_s == pytest.approx((first_kept.time_ns - START_NS) / 1e9, abs=4.0)
    assert len(lost) <= 4, "one for each life of the service at most"


async def test_what_is_held_back_for_its_time_is_told_although_the_mark_has_passed_it(
    open_journal: OpenJournal,
) -> None:
    """Marks count records of unknown time as dealt with; no sink has had them all the same."""
    clock = ReplayClock(START_NS, trusted=False)
    journal = await open_journal(budgets=SMALL_TELEMETRY, clock=clock)
    journal.mark_delivered("central", RecordClass.TELEMETRY, 1 << 40)
    for second in range(1_000):
        journal.submit(tag_record("speed", second * SECOND_NS, 24.5, "Hz"))
    await journal.close()
    journal = await open_journal(budgets=SMALL_TELEMETRY, clock=clock)
    await journal.commit([alarm(1_000)])
    first_kept = (await kept(journal, RecordKind.TAG))[0]
    gaps = [one for one in await journal.gaps("speed", *ALL_TIME) if one.cause is GapCause.BACKPRESSURE]
    assert {gap.state for gap in gaps} == {GapState.LOST}
    assert len(gaps) <= 2, "one for each life of the service at most"
    assert gaps[0].start_ns == START_NS
    assert first_kept.time_ns - SECOND_NS <= gaps[-1].end_ns <= first_kept.time_ns
    assert sum(gap.end_ns - gap.start_ns for gap in gaps) >= gaps[-1].end_ns - START_NS - SECOND_NS


@pytest.mark.parametrize(("delivered", "n_kept"), [(0, 3), (1 << 40, 1)])
async def test_the_last_word_of_a_loss_stays_until_it_is_delivered(
    open_journal: OpenJournal, delivered: int, n_kept: int
) -> None:
    """A gap told and then trimmed itself would be a loss that nobody ever hears of."""
    journal = await open_journal(budgets=SMALL_TELEMETRY)
    journal.mark_delivered("central", RecordClass.TELEMETRY, delivered)
    for start_s in (0, 100, 200):
        for end_s in (start_s + 5, start_s + 9):  # told again, longer: the first word is superseded
            start_ns, end_ns = start_s * SECOND_NS, end_s * SECOND_NS
            journal.record_gap(Gap("temperature", start_ns, end_ns, GapCause.OPCUA_DOWN, None))
    await journal.close()
    journal = await filled(open_journal, delivered, first=1_000)
    ends = [gap["end_ns"] for gap in await told(journal) if gap["channel"] == "temperature"]
    wanted = [START_NS + (start_s + 9) * SECOND_NS for start_s in (0, 100, 200)]
    assert ends == wanted[-n_kept:]


async def test_gaps_alone_do_not_fill_the_disk(open_journal: OpenJournal) -> None:
    journal = await open_journal(budgets=SMALL_TELEMETRY)
    journal.mark_delivered("central", RecordClass.TELEMETRY, 0)
    for second in range(0, 20_000, 10):
        start_ns = second * SECOND_NS
        journal.record_gap(Gap("temperature", start_ns, start_ns + SECOND_NS, GapCause.OPCUA_DOWN, None))
    await journal.close()
    journal = await filled(open_journal, 0, first=20_000)
    (telemetry,) = [one for one in journal.backlog() if one.record_class is RecordClass.TELEMETRY]
    assert telemetry.stored_bytes <= 2 * telemetry.budget_bytes


def test_the_duration_is_read_from_its_place() -> None:
    payload = encode(vector(0, duration_s=2.5))
    assert part_duration_ns(payload[DURATION]) == 2_500_000_000
    for nonsense in (b"", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff", b"\xff\xff\x7f\x7f"):
        assert part_duration_ns(nonsense) == 0
