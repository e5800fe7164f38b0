"""Commands of the centre, on a real influxd: carried out once and answered; or refused, nothing changed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.__main__ import main
from appliance.alarms.acts import ActivationId, ActKind, HybridStamp
from appliance.alarms.lifecycle import AlarmState
from appliance.clock import ReplayClock
from appliance.demo_central import DATABASE, LocalInflux
from appliance.limit_versions import LimitChangeError
from appliance.limit_wish import LimitWish
from appliance.reconcile.command_desk import MOST_REFUSALS
from appliance.reconcile.command_document import AlarmOrder, LimitOrder, key_id_of, signed
from appliance.reconcile.limits_merge import MergePlan
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.wiring_commands import centre_keys
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.reconcile.centre_line import CentreLine
from tests.appliance.reconcile.command_site import (
    ALARM,
    CENTRE_KEY,
    HOUR_NS,
    order,
    results,
    say,
    site,
    state_there,
    write,
)
from tests.appliance.sinks.way import DEVICE, until, way


async def test_an_outage_with_an_acknowledgement_on_both_sides_ends_in_one_state(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    line = CentreLine(influxd.url)
    await line.mend()
    async with site(tmp_path, line.url) as box:
        sink = InfluxSink(Influx1Writer(line.url, DATABASE, timeout_s=60.0))
        async with way(box.journal, tmp_path, sink=sink) as courier:
            await box.condition(True)
            await courier.drained()
            looking = asyncio.create_task(box.desk.run())
            await until(lambda: "asked for" in box.desk.text())
            assert await asyncio.to_thread(state_there, influxd) == await box.state_here()

            await line.cut()
            await until(lambda: "cannot be asked" in box.desk.text())
            box.clock.advance(60 * SECOND_NS)
            central = box.acknowledgement()  # eva sees what the centre has
            await asyncio.to_thread(order, influxd, central)
            box.clock.advance(60 * SECOND_NS)
            await box.alarms.acknowledge(ALARM, 1, "anna", "on my way")
            assert box.alarm.transition.alarm.acknowledged_by == "anna"
            assert (await asyncio.to_thread(state_there, influxd))[ALARM].acknowledged_by is None

            await line.mend()
            await until(lambda: box.desk.counts["done"] == 1)
            await courier.drained()
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
        here, there = await box.state_here(), await asyncio.to_thread(state_there, influxd)
        assert here == there
        assert here[ALARM].state is AlarmState.ACTIVE_ACKNOWLEDGED
        assert here[ALARM].acknowledged_by == box.alarm.transition.alarm.acknowledged_by == "eva, anna"
        assert [act.reason for act in here[ALARM].acknowledgements] == ["seen", "on my way"]
        (result,) = await asyncio.to_thread(results, influxd)
        assert (result["command_id"], result["outcome"]) == (central.command_id, "done")
        rows = await asyncio.to_thread(influxd.ask, "SELECT what, actor, origin FROM alarm")
        assert [(row["what"], row["actor"], row["origin"][:7]) for row in rows][-1] == (
            "acknowledged", "eva", "centre/",
        )  # fmt: skip


async def test_what_is_forged_copied_stale_or_anothers_changes_nothing_and_is_stored(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        other = Ed25519PrivateKey.generate()
        good = signed(box.acknowledgement(), CENTRE_KEY)
        forged = {
            "not among those trusted": signed(box.acknowledgement(), other),
            "not that of the key": dataclasses.replace(
                signed(box.acknowledgement(), other), key_id=good.key_id
            ),
            "signature": dataclasses.replace(good, document=good.document.replace("eva", "bob")),
            "expired": signed(
                box.acknowledgement(issued_ns=box.now_ns - 2 * HOUR_NS, expires_ns=box.now_ns - 1), CENTRE_KEY
            ),
            "not for this one": signed(box.acknowledgement(device_id="f" * 32), CENTRE_KEY),
            "in the future": signed(
                box.acknowledgement(issued_ns=box.now_ns + HOUR_NS, expires_ns=box.now_ns + 2 * HOUR_NS),
                CENTRE_KEY,
            ),
        }
        for number, said in enumerate(forged.values()):
            await asyncio.to_thread(say, influxd, said, box.now_ns + number)
        await asyncio.to_thread(  # of another type, and much too long
            write, influxd, f'command,device_id={DEVICE} document="{"x" * 20_000}" {box.now_ns + 90}'.encode()
        )
        await box.desk.look()
        audits = await box.audits()
        assert [audit["outcome"] for audit in audits] == ["refused"] * 7
        for words, audit in zip(forged, audits, strict=False):
            assert words in audit["text"]
        assert len(await box.transitions()) == 1
        assert box.alarm.transition.alarm.state is AlarmState.ACTIVE_UNACKNOWLEDGED

        command = box.acknowledgement(command_id="c" * 32, issued_ns=box.now_ns + 1)
        await asyncio.to_thread(order, influxd, command)
        await box.desk.look()
        assert box.alarm.transition.alarm.acknowledged_by == "eva"
        steps = len(await box.transitions())
        await asyncio.to_thread(say, influxd, signed(command, CENTRE_KEY), box.now_ns + 99)  # a copy
        for _ in range(3):
            await box.desk.look()
        audits = await box.audits()
        assert [audit["outcome"] for audit in audits[7:]] == ["done", "refused"]
        assert "before" in audits[-1]["text"]
        assert len(await box.transitions()) == steps
        async with way(box.journal, tmp_path, influxd) as courier:
            await courier.drained()
        told = await asyncio.to_thread(results, influxd)
        assert [row["outcome"] for row in told].count("refused") == 8
        assert len(told) == len(audits)


async def test_a_restart_or_a_kill_in_between_carries_nothing_out_twice(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with site(tmp_path, influxd.url, clock=clock) as box:
        await box.condition(True)
        first, second = box.acknowledgement(), box.acknowledgement(issued_ns=box.now_ns + 1)
        await asyncio.to_thread(order, influxd, first)
        await box.desk.look()
        steps = await box.transitions()
        # Killed after the alarm took the second act, before the audit of it: only the alarm has a record.
        await box.alarms.take_act(ALARM, box.alarm.activation, second.act(key_id_of(CENTRE_KEY.public_key())))
        await asyncio.to_thread(order, influxd, second)
    async with site(tmp_path, influxd.url, clock=clock) as box:
        await box.condition(False)
        await box.condition(True)  # raised again: a second try would find another activation
        await box.desk.look()
        await box.desk.look()
        audits = await box.audits()
        assert [audit["outcome"] for audit in audits] == ["done", "done"]
        assert "already" in audits[1]["text"]
        assert len(await box.transitions()) == len(steps) + 3
        assert box.alarm.transition.alarm.conflicts == ()


async def test_an_act_that_comes_too_late_is_a_conflict_that_both_sides_show(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with site(tmp_path, influxd.url) as box, way(box.journal, tmp_path, influxd) as courier:
        await box.condition(True)
        seen = box.alarm.activation
        shelving = AlarmOrder(ActKind.SHELVE, ALARM, seen, box.now_ns + HOUR_NS)
        await box.alarms.acknowledge(ALARM, 1, "anna", "")
        await box.condition(False)
        await asyncio.to_thread(order, influxd, box.command(shelving))
        await box.desk.look()
        alarm = box.alarm.transition.alarm
        assert (alarm.state, alarm.shelving) == (AlarmState.NORMAL, None)
        assert "eva at the centre shelved an activation that was closed" in alarm.conflicts[0].text

        await box.condition(True)
        await asyncio.to_thread(order, influxd, box.acknowledgement(seen))
        unknown = AlarmOrder(ActKind.UNSHELVE, "pump-9.machine-condition", seen)
        box.clock.advance(1)
        await asyncio.to_thread(order, influxd, box.command(unknown))
        await box.desk.look()
        alarm = box.alarm.transition.alarm
        assert (alarm.state, alarm.acknowledged_by) == (AlarmState.ACTIVE_UNACKNOWLEDGED, None)
        assert "activation 1, which is not the present one (2)" in alarm.conflicts[0].text
        await courier.drained()
        assert await asyncio.to_thread(state_there, influxd) == await box.state_here()
        told = await asyncio.to_thread(results, influxd)
        assert [row["outcome"] for row in told] == ["conflict", "conflict", "failed"]
        assert "pump-9" in told[-1]["text"]
        newest = (await asyncio.to_thread(influxd.ask, "SELECT last(conflict) AS c FROM alarm"))[0]["c"]
        assert newest == alarm.conflicts[0].text


async def test_a_shelved_alarm_comes_back_when_its_time_is_over(tmp_path: Path, influxd: LocalInflux) -> None:
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        shelving = AlarmOrder(ActKind.SHELVE, ALARM, box.alarm.activation, box.now_ns + HOUR_NS)
        await asyncio.to_thread(order, influxd, box.command(shelving))
        await box.desk.look()
        assert box.alarm.transition.what == "shelved"
        assert box.alarm.transition.alarm.shelved(box.now_ns)
        watching = asyncio.create_task(box.alarms.end_shelvings())
        box.clock.advance(HOUR_NS)
        await until(lambda: box.alarm.transition.what == "unshelved")
        assert not box.alarm.transition.alarm.shelved(box.now_ns)
        watching.cancel()
        await box.alarms.shelve(ALARM, 1, "anna", "spare comes on Monday", 3600.0)
        assert box.alarm.transition.alarm.shelved(box.now_ns)
        late = AlarmOrder(ActKind.UNSHELVE, ALARM, box.alarm.activation)
        stamp = HybridStamp(box.now_ns - HOUR_NS // 2)  # the centre's clock is half an hour behind
        await asyncio.to_thread(order, influxd, box.command(late, stamp=stamp))
        await box.desk.look()
        assert box.alarm.transition.alarm.shelved(box.now_ns)
        assert "anna on the box shelved it later" in box.alarm.transition.alarm.conflicts[0].text


async def test_without_a_trusted_clock_commands_wait(tmp_path: Path, influxd: LocalInflux) -> None:
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        await asyncio.to_thread(order, influxd, box.acknowledgement())
        box.clock.set_trusted(False)
        await box.desk.look()
        assert "wait for a clock" in box.desk.text()
        assert await box.audits() == []
        box.clock.set_trusted(True)
        await box.desk.look()
        assert box.alarm.transition.alarm.acknowledged_by == "eva"


async def test_a_command_that_reaches_the_centre_late_is_still_found(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        early = box.acknowledgement()
        box.clock.advance(HOUR_NS // 2)
        await asyncio.to_thread(
            order, influxd, box.command(AlarmOrder(ActKind.UNSHELVE, ALARM, box.alarm.activation))
        )
        await box.desk.look()
        await asyncio.to_thread(order, influxd, early)  # its point is older than what was looked at
        await box.desk.look()
        assert box.alarm.transition.alarm.acknowledged_by is None
        box.clock.advance(HOUR_NS // 2 - SECOND_NS)
        box.desk._full_look_ns = None  # as after an outage, or within the hour
        await box.desk.look()
        assert box.alarm.transition.alarm.acknowledged_by == "eva"


async def test_a_flood_of_forgeries_fills_no_journal(tmp_path: Path, influxd: LocalInflux) -> None:
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        said = dataclasses.replace(signed(box.acknowledgement(), CENTRE_KEY), signature="AAAA")
        for number in range(MOST_REFUSALS + 40):
            await asyncio.to_thread(say, influxd, said, box.now_ns + number)
        await asyncio.to_thread(order, influxd, box.acknowledgement(issued_ns=box.now_ns + 10**6))
        await box.desk.look()
        assert box.alarm.transition.alarm.acknowledged_by == "eva"
        assert len(await box.audits()) == MOST_REFUSALS + 1
        box.clock.advance(HOUR_NS // 30)
        await box.desk.look()
        await box.desk.look()
        audits = await box.audits()
        assert len(audits) == MOST_REFUSALS + 2
        assert "40 more commands were refused" in audits[-1]["text"]


async def test_endless_documents_and_a_refusing_centre_hide_no_command(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        box.reader._most_bytes = 100_000  # as 16 MB are to 500 of the longest texts that the centre stores
        for number in range(6):
            body = f'command,device_id={DEVICE} document="{"x" * 30_000}" {box.now_ns + number}'
            await asyncio.to_thread(write, influxd, body.encode())
        await asyncio.to_thread(order, influxd, box.acknowledgement(issued_ns=box.now_ns + 10**6))
        await box.desk.look()
        await box.desk.look()
        assert box.alarm.transition.alarm.acknowledged_by == "eva"

        await asyncio.to_thread(influxd.ask, "DROP DATABASE stethos")
        looking = asyncio.create_task(box.desk.run())
        await until(lambda: "cannot be asked" in box.desk.text())
        assert "database" in box.desk.text()
        assert not looking.done()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_limits_are_changed_once_or_not_at_all(tmp_path: Path, influxd: LocalInflux) -> None:
    done: list[tuple[str, LimitWish, str]] = []

    async def change(asset_id: str, wish: LimitWish, actor: str) -> MergePlan:
        if wish.seen_revision != len(done):
            raise LimitChangeError("the limits were changed since", "Look again.")
        done.append((asset_id, wish, actor))
        if wish.action == "lock":
            raise asyncio.CancelledError  # the service ends in the midst of it
        return MergePlan((), wish.seen_revision == 0, "so it was done")

    async with site(tmp_path, influxd.url, change_limits=change) as box:
        raise_it = LimitOrder("pump-1", "raise", 0, "pump-1.de.x", "1480 rpm", 1.3)
        await asyncio.to_thread(order, influxd, box.command(raise_it))
        box.clock.advance(SECOND_NS)
        await asyncio.to_thread(order, influxd, box.command(raise_it))
        await box.desk.look()
        assert [audit["outcome"] for audit in await box.audits()] == ["begun", "conflict", "begun", "failed"]
        assert len(done) == 1
        asset_id, wish, actor = done[0]
        assert (asset_id, wish.action, wish.factor, actor) == ("pump-1", "raise", 1.3, "eva (centre)")
        box.clock.advance(SECOND_NS)
        await asyncio.to_thread(order, influxd, box.command(LimitOrder("pump-1", "lock", 1)))
        with pytest.raises(asyncio.CancelledError):
            await box.desk.look()
    async with site(tmp_path, influxd.url, change_limits=change, clock=box.clock) as box:
        await box.desk.look()
        await box.desk.look()
        audits = await box.audits()
        assert [audit["outcome"] for audit in audits][4:] == ["begun", "failed"]
        assert "stopped while" in audits[-1]["text"]
        assert len(done) == 2


async def test_what_the_tool_signs_is_carried_out(
    tmp_path: Path, influxd: LocalInflux, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "centre"
    assert main(["command", "new-key", str(key)]) == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert main(["command", "new-key", str(key)]) == 1
    capsys.readouterr()
    clock = ReplayClock(time.time_ns())  # the tool knows the real time alone
    async with site(tmp_path, influxd.url, clock=clock) as box:
        box.desk._keys = lambda: centre_keys(tmp_path / "centre.pub")
        await box.condition(True)
        alarm = box.alarm
        common = [
            "--key",
            str(key),
            "--device",
            DEVICE,
            "--actor",
            "eva ☂",
            "--reason",
            'spare "ordered", \\ 2',
        ]
        seen = ["--alarm", ALARM, "--activation", "1", "--raised-ns", str(alarm.raised_time_ns)]
        stamp = f"{alarm.mark.stamp.wall_ns}:{alarm.mark.stamp.logical}"
        for name, more in (("acknowledge", []), ("shelve", ["--hours", "2", "--seen", stamp])):
            assert main(["command", "sign", name, *common, *seen, *more]) == 0
            await asyncio.to_thread(write, influxd, capsys.readouterr().out.strip().encode())
        box.clock.advance(5 * SECOND_NS)
        await box.desk.look()
        standing = box.alarm.transition.alarm
        assert (standing.acknowledged_by, standing.comment) == ("eva ☂", 'spare "ordered", \\ 2')
        assert standing.shelved(box.now_ns)
        assert main(["command", "sign", "limit", *common, "--asset", "pump-1", "--action", "raise",
                     "--seen-revision", "3", "--percent", "130", "--json"]) == 0  # fmt: skip
        told = json.loads(capsys.readouterr().out)
        assert told["document"]["order"]["factor"] == 1.3
        assert main(["command", "sign", "shelve", *common, *seen, "--hours", "900"]) == 2
        assert "seven days" in capsys.readouterr().err
        assert main(["command", "sign", "acknowledge", *common, *seen, "--seen", "yesterday"]) == 2


async def test_an_activation_of_another_life_of_the_journal_is_not_meant(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with site(tmp_path, influxd.url) as box:
        await box.condition(True)
        old = ActivationId(1, START_NS - HOUR_NS)  # the same number, before the journal was lost
        await asyncio.to_thread(order, influxd, box.acknowledgement(old))
        await box.desk.look()
        assert box.alarm.transition.alarm.state is AlarmState.ACTIVE_UNACKNOWLEDGED
        assert [audit["outcome"] for audit in await box.audits()] == ["conflict"]
