"""Budgets: each class pays for itself, the oldest leave, the newest of a subject never does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.clock import ReplayClock
from appliance.journal.features import features_record
from appliance.journal.record import CENTRAL, ClassBacklog, RecordClass, RecordKind, SinkClaim
from appliance.journal.retention import Budgets, ClassAccount, ClassBudget, backlog_of
from tests.appliance.journal.builders import SECOND_NS, START_NS, alarm, budgets, counter, vector
from tests.appliance.journal.conftest import OpenJournal

WITH_CENTRE = {CENTRAL: SinkClaim(frozenset(RecordClass), keeps=True)}


def row(table: list[ClassBacklog], record_class: RecordClass) -> ClassBacklog:
    return next(one for one in table if one.record_class is record_class)


async def test_telemetry_over_its_budget_loses_its_oldest_and_only_its_own(open_journal: OpenJournal) -> None:
    small = budgets(telemetry=60_000)
    journal = await open_journal(budgets=small)
    await journal.commit([alarm(n) for n in range(1, 101)])
    journal.submit(features_record(vector(0, channel_id="long gone")))
    for second in range(1, 1_001):
        journal.submit(features_record(vector(second * SECOND_NS)))
    await journal.close()
    journal = await open_journal(budgets=small)
    await journal.commit([alarm(101)])  # one more round, with its trim
    await journal.close()
    journal = await open_journal(budgets=small)
    kept = await journal.read(0, {RecordKind.FEATURES}, limit=2_000)
    telemetry = row(journal.backlog(), RecordClass.TELEMETRY)
    assert telemetry.stored_bytes <= 60_000
    assert telemetry.records == len(kept)
    assert telemetry.dropped == 1_001 - len(kept) > 500
    assert kept[0].subject == "long gone"  # the newest of its subject
    seconds = [record.monotonic_ns // SECOND_NS for record in kept[1:]]
    assert seconds == list(range(1_001 - len(seconds), 1_001))
    assert row(journal.backlog(), RecordClass.ALARM).records == 101


async def test_unsent_alarms_never_leave_even_over_budget(open_journal: OpenJournal) -> None:
    small = budgets(alarm=20_000)
    journal = await open_journal(budgets=small)
    for start in range(0, 200, 20):
        await journal.commit([alarm(n) for n in range(start, start + 20)])
    assert len(await journal.read(0)) == 200
    assert row(journal.backlog(), RecordClass.ALARM).days_left is None
    assert row(journal.backlog(), RecordClass.ALARM).stored_bytes > 20_000


async def test_delivered_alarms_leave_once_over_budget(open_journal: OpenJournal) -> None:
    small = budgets(alarm=60_000)
    journal = await open_journal(budgets=small)
    await journal.commit([alarm(n, f"pump-1.{n % 3}") for n in range(200)])
    journal.mark_delivered(CENTRAL, RecordClass.ALARM, 150)
    await journal.close()
    journal = await open_journal(budgets=small)
    journal.deliveries.sinks_are(WITH_CENTRE)
    await journal.commit([counter(1)])
    await journal.close()
    journal = await open_journal(budgets=small)
    left = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert row(journal.backlog(), RecordClass.ALARM).stored_bytes <= 60_000 or left[0].sequence > 150
    assert [record.sequence for record in left] == list(range(201 - len(left), 201))
    assert 50 <= len(left) < 200
    assert len(journal.latest(RecordKind.ALARM_TRANSITION)) == 3


async def test_older_values_of_a_counter_may_leave_its_newest_may_not(open_journal: OpenJournal) -> None:
    small = budgets(counter=5_000)
    journal = await open_journal(budgets=small)
    for start in range(0, 200, 20):
        await journal.commit([counter(n) for n in range(start, start + 20)])
    await journal.close()
    journal = await open_journal(budgets=small)
    left = await journal.read(0, {RecordKind.COUNTER_VALUE})
    assert 0 < len(left) < 60
    assert left[-1].key == counter(199).key


async def test_age_limits_wait_for_a_trusted_clock(open_journal: OpenJournal) -> None:
    aged = Budgets(reserve_transitions=500, telemetry=ClassBudget(1 << 30, 100.0, False))
    journal = await open_journal(budgets=aged)
    for second in range(20):
        journal.submit(features_record(vector(second * SECOND_NS)))
    await journal.close()
    late = ReplayClock(START_NS, trusted=False)
    late.set(110 * SECOND_NS)
    journal = await open_journal(budgets=aged, clock=late)
    await journal.commit([alarm(110)])
    assert len(await journal.read(0, {RecordKind.FEATURES})) == 20
    late.set_trusted(True)
    await journal.commit([alarm(111)])
    await journal.close()
    journal = await open_journal(budgets=aged, clock=late)
    kept = await journal.read(0, {RecordKind.FEATURES})
    assert [record.monotonic_ns // SECOND_NS for record in kept] == list(range(10, 20))


def test_days_left_follow_from_the_rate() -> None:
    account = ClassAccount(
        records=10, stored_bytes=600, stored_total=1_000, written_bytes=9_000, active_s=8_640.0
    )
    backlog = backlog_of(RecordClass.ALARM, account, ClassBudget(10_600, None, True), 5.0)
    assert backlog.days_left == pytest.approx(1.0)  # 1,000 bytes in a tenth of a day, 10,000 left
    assert backlog.written_bytes_per_day == pytest.approx(90_000)
    full = replace(account, stored_bytes=20_000)  # unsent, and more than its budget: it stays
    assert backlog_of(RecordClass.ALARM, full, ClassBudget(10_600, None, True), 5.0).days_left == 0.0
    idle = backlog_of(RecordClass.ALARM, replace(account, active_s=1.0), ClassBudget(10_600, None, True), 5.0)
    assert idle.days_left is None


async def test_written_bytes_are_the_kernels_count_and_more_than_the_payload(
    open_journal: OpenJournal,
) -> None:
    journal = await open_journal()
    payload = bytes(10_000)
    for number in range(20):
        await journal.commit([alarm(number, payload=payload)])
    account = journal._writer.store.accounts[RecordClass.ALARM]  # type: ignore[union-attr]
    assert account.written_bytes > 20 * len(payload)
    assert account.written_bytes < 20 * (len(payload) + 30 * 4_096)
