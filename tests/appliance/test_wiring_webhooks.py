"""The whole appliance with a webhook: an alarm arrives signed, the page shows it, the commands work."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.alarms.system import SystemCondition
from appliance.backoff import Backoff
from appliance.clock import SystemClock
from appliance.config_file import load_settings
from appliance.config_webhooks import WebhookSettings
from appliance.journal.deliveries import NOBODY
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass
from appliance.service_notifier import service_notifier
from appliance.sinks.webhook_queue import Schedule
from appliance.sinks.webhook_signature import parse_secrets
from appliance.supervisor import Supervisor
from appliance.wiring import Appliance
from tests.appliance.house import house, until
from tests.appliance.journal.builders import PATIENT, SMALL
from tests.appliance.sinks.receiver import Plant, Receiver, answers, receiver, sending, write_secret
from tests.appliance.test_config import GOOD

CALM = "[web]\nport = 0\n"


def configuration(folder: Path, cmms: Receiver, extra: str = "") -> Path:
    path = folder / "stethos.toml"
    write_secret(folder / "secret")
    path.write_text(
        CALM + GOOD.replace("/dev/ttyUSB0", str(folder / "no-such-port"))
        + f'\n[[webhooks]]\nname = "cmms"\nurl = "{cmms.url}"\nsecret_file = "secret"\n'
        f"allow_http = true\nallow_local = true\n{extra}"
    )  # fmt: skip
    return path


async def test_a_lost_source_reaches_the_receiver_and_the_page_shows_the_link(tmp_path: Path) -> None:
    async with receiver() as cmms:
        path = configuration(tmp_path, cmms, 'kinds = ["source lost"]\n')
        appliance = await Appliance.build(load_settings(path))
        supervisor = Supervisor(Backoff(0.05, 0.1, 0.01))
        task = asyncio.create_task(appliance.run(supervisor, service_notifier(), lambda address: None))
        try:
            confirmed = appliance.journal.deliveries.confirmed
            # the receiver has it a moment before the journal knows of its answer
            await cmms.until(lambda: confirmed(RecordClass.ALARM) > 0 or task.done())
            assert not task.done(), task.result()
            # without a centre nothing of the class is sent, however far the receiver is
            assert appliance.journal.deliveries.sent(RecordClass.ALARM) == NOBODY
            link = next(one for one in appliance.station.appliance().links if one.kind == "webhook")
        finally:
            supervisor.stop()
            await asyncio.gather(task, return_exceptions=True)
            await appliance.close()
    said = cmms.accepted[0]
    assert said["type"] == "alarm.raised"
    assert said["data"]["rule"] == "source lost"  # type: ignore[index]
    assert said["data"]["appliance"] == "hall-3"  # type: ignore[index]
    assert (link.source_id, link.address) == ("cmms", f"http://127.0.0.1:{cmms.port}")


async def test_a_failing_receiver_is_an_alarm_until_it_is_well_or_gone(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        await one.watch.webhook_state("cmms", True, "status 500")
        (stored,) = [
            s for s in one.desk.standing() if s.transition.alarm.rule == SystemCondition.WEBHOOK_FAILING
        ]
        alarm = stored.transition.alarm
        assert alarm.reason.startswith("Webhook cmms does not take alarms: status 500")
        await one.watch.webhooks_are(["cmms"])
        assert one.desk.get(alarm.alarm_id).transition.alarm.state.active  # type: ignore[union-attr]
        await one.watch.webhooks_are([])
        assert not one.desk.get(alarm.alarm_id).transition.alarm.state.active  # type: ignore[union-attr]
        await one.watch.webhook_state("cmms", True, "status 500")
        await one.watch.webhook_state("cmms", False, "")
        assert not one.desk.get(alarm.alarm_id).transition.alarm.state.active  # type: ignore[union-attr]


async def command(*arguments: str | Path) -> int:
    """A command in a thread of its own: it has an event loop of its own."""
    return await asyncio.to_thread(main, [str(argument) for argument in arguments])


async def test_the_test_command_explains_what_came_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiver() as cmms:
        path = configuration(tmp_path, cmms)
        assert await command("webhook", "test", "--config", path) == 0
        assert cmms.accepted[0]["type"] == "webhook.test"
        assert "cmms: delivered" in capsys.readouterr().out
        cmms.misbehave = [answers(401)]
        assert await command("webhook", "test", "--config", path, "--json", "--name", "cmms") == 1
        (result,) = json.loads(capsys.readouterr().out)["results"]
        assert (result["status"], result["answer"]) == (401, "said 401")
        assert "compare the secret" in result["reason"]
        assert await command("webhook", "test", "--config", path, "--name", "x") == 1
        assert 'no webhook "x"; configured are: cmms' in capsys.readouterr().err


async def test_dead_letters_are_listed_and_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with receiver() as cmms:
        path = configuration(tmp_path, cmms)
        state_dir = load_settings(path).station.state_dir
        clock = SystemClock()
        journal = await Journal.open(state_dir / "journal", SMALL, clock, PATIENT)
        plant = Plant(journal, clock)
        cmms.for_alarm = {"a": answers(400)}
        async with sending(plant, cmms.target(), schedule=Schedule(Backoff(0.01, 0.02, 0.01), 0.05)) as sink:
            await plant.raised("a")
            await until(lambda: sink.report().dead_letters == 1)
        assert await command("webhook", "list", "--config", path) == 0
        assert "0 waiting, 1 dead letters" in capsys.readouterr().out
        assert await command("webhook", "list", "--config", path, "--json") == 0
        (dead,) = json.loads(capsys.readouterr().out)["cmms"]["dead_letters"]
        assert dead["alarm_id"] == "a"
        assert await command("webhook", "redrive", "--config", path, "msg_unknown") == 0
        assert "0 messages" in capsys.readouterr().out
        cmms.for_alarm = {}
        async with sending(plant, cmms.target()):
            assert await command("webhook", "redrive", "--config", path, dead["id"]) == 0
            await cmms.until(lambda: cmms.ids == [dead["id"]])
        await journal.close()


def test_a_new_secret_keeps_the_last_one_and_stays_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "secrets" / "cmms"
    given = []
    for _ in range(3):
        assert main(["webhook", "new-secret", str(path)]) == 0
        given.append(parse_secrets(capsys.readouterr().out)[0])
    assert parse_secrets(path.read_text()) == (given[2], given[1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["cmms"]


def test_the_longest_schedule_is_the_documented_one() -> None:
    assert WebhookSettings.model_fields["give_up_after_h"].default * 3600 == Schedule().give_up_s
