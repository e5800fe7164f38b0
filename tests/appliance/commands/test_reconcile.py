"""`stethos reconcile` and `stethos resend`: beside a running service, on its own files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.commands.resend import utc_ns
from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile.audit_book import FAILED, WAITING, read_request
from appliance.reconcile.slot_store import SlotStore
from appliance.wiring_reconcile import audit_path
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.reconcile.side import side
from tests.appliance.sinks.conftest import influxd
from tests.appliance.sinks.way import at_centre, flushed, telemetry
from tests.appliance.test_config import GOOD

__all__ = ["influxd"]
CENTRAL = '[central]\nurl = "http://127.0.0.1:9"\nversion = 1\ndatabase = "stethos"\n'
FROM, TO = "2027-01-15T08:00:10+00:00", "2027-01-15T08:00:20Z"  # START_NS is 08:00:00


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a service whose state folder is the test's own."""
    path = tmp_path / "stethos.toml"
    path.write_text(CENTRAL + GOOD.replace('state_dir = "state"', f'state_dir = "{tmp_path}"'))
    return path


async def test_what_lies_in_an_interval_is_sent_again_by_the_running_service(
    tmp_path: Path, config: Path, influxd: LocalInflux, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (utc_ns(FROM), utc_ns(TO)) == (START_NS + 10 * SECOND_NS, START_NS + 20 * SECOND_NS)
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 60)
        await flushed(edge.journal, RecordKind.TAG, 60)
        await edge.round()
        wanted = await at_centre(influxd)
        await asyncio.to_thread(influxd.ask, "DROP SERIES FROM features")
        order = ["resend", "--config", str(config), "--from", FROM, "--to", TO, "--json"]
        for number in (1, 2):  # safe to repeat
            assert await asyncio.to_thread(main, order) == 0
            assert json.loads(capsys.readouterr().out)["state"] == WAITING
            await edge.reconciler.look()
            request = read_request(audit_path(tmp_path), number)
            assert request is not None
            assert (request.sent, request.state) == (10 + 9 + 10, "done")
            rows = await asyncio.to_thread(influxd.ask, "SELECT rms_mps2 FROM features")
            assert [row["rms_mps2"] for row in rows] == [1.0 + second for second in range(10, 20)]
        only = [*order[:-1], "--class", "alarm", "--wait", "0"]
        assert await asyncio.to_thread(main, only) == 0
        assert "noted as number 3" in capsys.readouterr().out
        await edge.reconciler.look()
        assert await asyncio.to_thread(main, ["reconcile", "--config", str(config)]) == 1, "it lacks features"
        await edge.round()
        assert await at_centre(influxd) == wanted

        assert await asyncio.to_thread(main, ["reconcile", "--config", str(config), "--report"]) == 0
        said = capsys.readouterr().out
        assert "174 points sent, 174 confirmed, 0 differ" in said
        assert "records sent again" in said
        assert "50 of 60 points are not there" in said
        order = ["reconcile", "--config", str(config), "--report", "--json", "--limit", "5"]
        assert await asyncio.to_thread(main, order) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["agree"] is True
        assert document["points"] == {
            "sent": 174,
            "confirmed": 174,
            "differing": 0,
            "cut_or_gone": 0,
            "not_asked_yet": 0,
        }
        assert [one["cause"] for one in document["reports"]] == ["asked for", "start"]
        assert document["reports"][0]["figures"]["records_resent"] == 50


def test_wrong_orders_are_refused_in_words(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for start, words in (("2027-01-15", "no time zone"), ("soon", "is no time such as")):
        with pytest.raises(SystemExit):
            main(["resend", "--config", str(config), "--from", start, "--to", TO])
        assert words in capsys.readouterr().err
    assert main(["resend", "--config", str(config), "--from", TO, "--to", FROM]) == 1
    assert "--to must be later" in capsys.readouterr().err
    assert main(["resend", "--config", str(config), "--from", FROM, "--to", TO]) == 1
    assert "the service has not run" in capsys.readouterr().err
    assert main(["reconcile", "--config", str(config), "--report"]) == 1
    assert "no report yet" in capsys.readouterr().out
    bare = tmp_path / "bare.toml"
    bare.write_text(GOOD)
    for order in (["reconcile"], ["resend", "--from", FROM, "--to", TO], ["central", "check"]):
        assert main([*order, "--config", str(bare)]) == 1
        assert "has no [central]" in capsys.readouterr().err


def test_a_wish_that_failed_is_told(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlotStore(audit_path(tmp_path))
    order = ["resend", "--config", str(config), "--from", FROM, "--to", TO, "--wait", "30"]

    def refused(_: float) -> None:
        request = store.next_request()
        assert request is not None
        assert request.classes == tuple(sorted(set(RecordClass) - {RecordClass.CAPTURE}))
        store.put_request(request.request_id, FAILED, 0, "the centre says: no")

    monkeypatch.setattr("time.sleep", refused)
    assert main(order) == 1
    assert "not possible, after 0 records: the centre says: no" in capsys.readouterr().out
    store.close()
