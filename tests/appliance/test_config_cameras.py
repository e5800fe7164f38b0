"""[[cameras]]: the sample is true, and mistakes are named with key, reason and remedy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from appliance.config import OpcUaSettings
from appliance.config_cameras import (
    FolderCameraSettings,
    UrlCameraSettings,
    V4l2CameraSettings,
    VerdictTagsSettings,
)
from appliance.config_file import load_settings
from tests.appliance.test_config import GOOD, SAMPLE, one_problem

FOLDER = '\n[[cameras]]\nkind = "folder"\nid = "press-3"\nname = "Press 3"\nfolder = "pictures"\n'
URL = '\n[[cameras]]\nkind = "network"\nid = "gate"\nname = "Gate"\nurl = "rtsp://10.0.0.5/stream1"\n'


TAGS = FOLDER + '[cameras.verdict_tags]\nsource = "plc"\nverdict = "ns=2;s=V3"\npart_number = "ns=2;s=N3"\n'
PLC = '\n[[sources]]\nkind = "opcua"\nid = "plc"\nurl = "opc.tcp://127.0.0.1:4840/"\n'


def test_cameras_are_read_and_a_folder_becomes_absolute(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "stethos.toml"
    path.write_text(GOOD + FOLDER + URL + 'trigger_channel = "pump-speed"\n')
    folder, gate = load_settings(path).cameras
    assert isinstance(folder, FolderCameraSettings)
    assert folder.folder == tmp_path / "pictures"
    assert folder.latency_budget_ms == 100.0
    assert isinstance(gate, UrlCameraSettings)
    assert gate.trigger_channel == "pump-speed"


@pytest.mark.parametrize(
    ("text", "key", "reason", "remedy"),
    [
        (FOLDER.replace('"pictures"', '"nowhere"'), "cameras[0].folder", "no folder", "Create it"),
        (FOLDER.replace('"folder"', '"genicam"', 1), "cameras[0].kind", "kind of camera", '"v4l2" or'),
        (FOLDER.replace('"press-3"', '"pump"'), "cameras[0].id", "already used", "own id"),
        (FOLDER.replace('"press-3"', '"sensor"'), "cameras[0].id", "already used", "own id"),
        (FOLDER + "defects_needed = 20\n", "cameras[0].defects_needed", "20 defects among 10", "defects_of"),
        (FOLDER + "latency_budget_s = 0.1\n", "cameras[0].latency_budget_s", "no such", "latency_budget_ms"),
        (FOLDER + FOLDER.replace("press-3", "b"), "cameras[1].folder", "already watched", "own folder"),
        (URL.replace("rtsp://", "rtsp://me:secret@"), "cameras[0].url", "not possible", "without user"),
        (URL.replace("rtsp://", "file://"), "cameras[0].url", "not possible", "rtsp://"),
        (URL + 'trigger_channel = "part"\n', "cameras[0].trigger_channel", "no OPC UA tag", "pump-speed"),
        (
            URL + 'period_s = 1.0\ntrigger_channel = "pump-speed"\n',
            "cameras[0].trigger_channel", "one trigger", "Keep one",
        ),
        (URL + 'trigger_by = "count"\n', "cameras[0].trigger_by", "needs a tag", "Write trigger_channel"),
        (TAGS.replace('"plc"', '"plx"'), "cameras[0].verdict_tags.source", "no OPC UA source", "are: plc"),
        (TAGS.replace("V3", "Speed"), "cameras[0].verdict_tags.verdict", "never written", "tag of its own"),
        (TAGS.replace("N3", "V3"), "cameras[0].verdict_tags.part_number", "already written", "of its own"),
        (TAGS.replace('"ns=2;s=V3"', '"V3"'), "cameras[0].verdict_tags.verdict", "not possible", "integer"),
        (URL + 'user = "me"\npassword_file = "secret"\n', "cameras[0].password_file", "no file", "Create"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, text: str, key: str, reason: str, remedy: str) -> None:
    (tmp_path / "pictures").mkdir()
    problem = one_problem(tmp_path, GOOD + text)
    assert problem.key == key
    assert reason in problem.reason
    assert remedy in problem.remedy


def test_cameras_need_neither_machine_nor_source(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "stethos.toml"
    path.write_text(FOLDER)
    settings = load_settings(path)
    assert (len(settings.cameras), settings.assets, settings.sources) == (1, [], [])
    path.write_text(TAGS + PLC)
    (plc,) = load_settings(path).sources
    assert isinstance(plc, OpcUaSettings)
    assert plc.tags == []


MACHINE = '\n[[assets]]\nid = "pump"\nname = "Pump"\n'
SENSOR = (
    '\n[[sources]]\nkind = "serial"\nid = "sensor"\ndevice = "/dev/ttyUSB0"\n'
    'axes = [{ axis = "x", channel = "pump-x", asset = "pump" }]\n'
)


@pytest.mark.parametrize(
    ("text", "key", "reason", "remedy"),
    [
        ('[station]\nname = "a"\n', "", "no machine and no camera", "[[cameras]]"),
        (MACHINE, "sources", "nothing measures the machines", "[[sources]]"),
        (SENSOR, "assets", "belongs to a machine", "[[assets]]"),
        (FOLDER + PLC, "sources[0].tags", "nothing is read", "verdicts to plc"),
        (TAGS + PLC + MACHINE, "sources", "nothing measures the machines", "[[sources]]"),
        (FOLDER + MACHINE, "sources", "nothing measures the machines", "[[sources]]"),
        (FOLDER + SENSOR, "assets", "belongs to a machine", "[[assets]]"),
    ],
)
def test_what_has_nothing_to_do_is_refused(
    tmp_path: Path, text: str, key: str, reason: str, remedy: str
) -> None:
    (tmp_path / "pictures").mkdir()
    problem = one_problem(tmp_path, text)
    assert problem.key == key
    assert reason in problem.reason
    assert remedy in problem.remedy


def test_the_sample_shows_every_setting_of_every_kind_with_its_default() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    start = text.index("# [[cameras]]")
    block = text[start : text.index("\n\n", start)]
    shown = tomllib.loads("\n".join(line.removeprefix("# ") for line in block.splitlines()))["cameras"][0]
    models = (FolderCameraSettings, V4l2CameraSettings, UrlCameraSettings)
    known = {name: field for model in models for name, field in model.model_fields.items()}
    assert set(shown) == set(known)
    assert set(shown["verdict_tags"]) == set(VerdictTagsSettings.model_fields)
    assert shown["verdict_tags"]["score"] == VerdictTagsSettings.model_fields["score"].default
    for name, field in known.items():
        if not field.is_required() and field.default is not None:
            assert shown[name] == field.default, name
    for name in ("device", "url", "folder"):
        assert re.search(rf"# {name} = .*# ", block), f"{name} says which kind it belongs to"
