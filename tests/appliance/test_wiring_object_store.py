"""The way to an object store as it is wired: from configuration to a real server, its alarm, its letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config import ApplianceSettings
from appliance.config_file import load_settings
from appliance.journal.record import RecordClass
from appliance.sinks.capture_courier import OBJECT_STORE, ObjectRefused
from appliance.sinks.capture_cursor import RefusedObject
from appliance.sources.source import LinkState
from appliance.telemetry.stage_meter import StageMeter
from appliance.wiring_object_store import ObjectStoring
from tests.appliance.capture_rig import CaptureRig, capture_rig, raised
from tests.appliance.sinks.s3_server import BUCKET, KEY, LocalS3
from tests.appliance.test_config import GOOD

REFUSES = "appliance.object-store-refuses"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[LocalS3]:
    server = LocalS3(tmp_path)
    server.start()
    yield server
    server.kill()


def settings(folder: Path, url: str) -> ApplianceSettings:
    (folder / "key").write_text(f"{KEY.secret}\n")
    (folder / "stethos.toml").write_text(
        f'{GOOD}\n[object_store]\nkind = "s3"\nurl = "{url}"\nbucket = "{BUCKET}"\n'
        f'access_key_id = "{KEY.access_key_id}"\nsecret_key_file = "key"\nprefix = "plant-7"\n'
    )
    (folder / "state").mkdir(exist_ok=True)
    return load_settings(folder / "stethos.toml")


def built(rig: CaptureRig, wanted: ApplianceSettings) -> ObjectStoring:
    return ObjectStoring(wanted, rig.journal, rig.clock, rig.watch, StageMeter())


async def step(way: ObjectStoring) -> None:
    """One step, without the wait that a failure asks for."""
    assert way.courier is not None

    async def at_once(_seconds: float) -> None:
        return

    way.courier._sleep = at_once
    await way.courier.step()


async def test_a_wrong_key_is_an_alarm_and_a_right_one_needs_no_restart(s3: LocalS3, tmp_path: Path) -> None:
    wanted = settings(tmp_path, s3.url)
    async with capture_rig(tmp_path) as rig:
        rig.deliver(3.0, raised(3.0))
        rig.deliver(5.0)
        await rig.stored()
        way = built(rig, wanted)
        assert set(way.claims()) == {OBJECT_STORE}
        (tmp_path / "key").write_text("wrong\n")
        await step(way)
        assert "403" in rig.condition(REFUSES)
        assert way.reports()[0].state is LinkState.REFUSED
        assert way.meter.errors == 1
        (tmp_path / "key").write_text(f"{KEY.secret}\n")
        await step(way)
        await step(way)
        assert rig.condition(REFUSES) == ""
        (link,) = way.reports()
        assert (link.state, link.counts) == (
            LinkState.CONNECTED,
            {"delivered": 2, "refused": 0, "held back": 0},
        )
        assert KEY.secret not in str(link)
        assert all(name.startswith("plant-7/") for name in s3.objects())
        assert len(s3.objects()) == way.meter.processed == 2
        await way.close()


async def test_a_refused_part_is_a_letter_that_a_person_sends_again(s3: LocalS3, tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        way = built(rig, settings(tmp_path, s3.url))
        (letters,) = way.letters
        assert letters.tally().refused == 0
        way._cursor.state.refused.append(RefusedObject(7, "capture/x/0", "motor-1", 5, "400: no"))
        (letter,) = letters.newest(10)
        assert (letter.destination, letter.letter_id, letter.reason) == (OBJECT_STORE, "7", "400: no")
        assert letters.redrive(["8", "x"]) == 0
        assert letters.redrive(None) == 1
        assert letters.tally().refused == 0
        await way.close()


async def test_without_a_table_nothing_is_built_and_an_old_alarm_ends(tmp_path: Path) -> None:
    (tmp_path / "stethos.toml").write_text(GOOD)
    async with capture_rig(tmp_path) as rig:
        way = built(rig, load_settings(tmp_path / "stethos.toml"))
        assert (way.claims(), way.reports(), way.letters) == ({}, [], [])
        await way._told(True, "403", "")
        assert rig.condition(REFUSES)
        await way._clear()
        assert rig.condition(REFUSES) == ""
        assert rig.journal.deliveries.confirmed(RecordClass.CAPTURE) == -1
        assert issubclass(ObjectRefused, Exception)
