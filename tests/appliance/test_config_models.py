"""[models]: off by default, the sample is true, and every mistake is named with key, reason and remedy."""

from __future__ import annotations

import re
import tomllib
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.asset_prospects import prospects
from appliance.commands.check_config import run as check_config
from appliance.config_file import load_settings
from appliance.config_models import ModelSlotSettings, ModelsSettings
from appliance.machine_facts import build_analysis
from appliance.wiring_models import bundle_problems, slot_plans
from appliance.wiring_sources import SOURCE_BUILDERS
from dsp.extractor import EXTRACTOR_VERSION
from dsp.log_spectrum import LOG_SPECTRUM_VERSION
from models.bundle import Bundle
from models.store import write_bundle
from tests.appliance.test_config import GOOD, SAMPLE, one_problem
from tests.fakes.trend_bundle import level_names, spectrum_names, trend_bundle

SLOT = '\n[models]\nbackends = ["numpy_reference"]\n[[models.slots]]\nname = "pumps"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "stethos.toml"
    path.write_text(text, encoding="utf-8")
    return path


def sensed(text: str, folder: Path) -> tuple[str, float]:
    """Some acceleration channel of the configuration, and its rate."""
    settings = load_settings(written(folder, text))
    source = next(one for one in settings.sources if one.kind == "serial")
    channel = SOURCE_BUILDERS[type(source)](source).channels[0]
    return channel.channel_id, channel.sample_rate_hz


def test_there_is_none_unless_configured(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, GOOD)).models is None
    assert list(bundle_problems(load_settings(written(tmp_path, GOOD)))) == []


def test_the_sample_shows_every_setting_with_the_code_s_default() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    block = text[text.index("# [models]") :].split("\n\n")[0]
    lines = [line.removeprefix("# ") for line in block.splitlines()]
    table = tomllib.loads("\n".join(lines))["models"]
    for model, given in ((ModelsSettings, table), (ModelSlotSettings, table["slots"][0])):
        assert set(given) == set(model.model_fields)
        for name, field in model.model_fields.items():
            if not field.is_required() and field.default is not None:
                assert given[name] == field.default, name
    assert re.search(r"docs/models\.md", text)


@pytest.mark.parametrize(
    ("line", "change", "key", "reason", "remedy"),
    [
        ('backends = ["numpy_reference"]', 'backends = ["onxruntime"]', "models.backends[0]", "onxruntime",
         "Did you mean onnxruntime?"),
        ('backends = ["numpy_reference"]', 'backends = ["statistical"]', "models.backends[0]",
         "always the last", "stethos models use statistical"),
        ('backends = ["numpy_reference"]', 'backends = ["litert", "litert"]', "models.backends[1]",
         "twice", "once"),
        ('name = "pumps"', 'name = "pumps"\nassets = ["turbine-*"]', "models.slots[0]",
         "no acceleration channel", "there are: "),
        ('name = "pumps"\n', 'name = "pumps"\n[[models.slots]]\nname = "more"\n', "models.slots[1]",
         "belongs to slot 'pumps'", "Narrow"),
    ],
)  # fmt: skip
def test_mistakes_are_named(
    tmp_path: Path, line: str, change: str, key: str, reason: str, remedy: str
) -> None:
    problem = one_problem(tmp_path, GOOD + SLOT.replace(line, change))
    assert problem.key == key
    assert reason in problem.reason
    assert remedy in problem.remedy


def test_a_device_stands_behind_the_runtime_s_name(tmp_path: Path) -> None:
    text = GOOD + SLOT.replace('["numpy_reference"]', '["openvino:GPU.0", "onnxruntime"]')
    settings = load_settings(written(tmp_path, text))
    assert settings.models is not None
    channels = [c for s in settings.sources for c in SOURCE_BUILDERS[type(s)](s).channels]
    (plan,) = slot_plans(settings.models, build_analysis(settings.station), channels)
    assert [(tier.backend, tier.options.device) for tier in plan.tiers] == [
        ("openvino", "GPU.0"),
        ("onnxruntime", ""),
    ]
    assert plan.rules.deadline_ns == 160_000_000
    names = {(one, version): names for one, rows in plan.channels.items() for version, names in rows.items()}
    channel_id, rate_hz = sensed(GOOD, tmp_path)
    assert names[channel_id, EXTRACTOR_VERSION] == level_names(rate_hz)
    assert names[channel_id, LOG_SPECTRUM_VERSION] == spectrum_names(rate_hz)
    assert {version for _, version in names} == {EXTRACTOR_VERSION, LOG_SPECTRUM_VERSION}


def problems_of(folder: Path, made: Bundle | None, backends: str = '["numpy_reference"]') -> list[str]:
    """What `check-config` says of a bundle, which is then what the service says."""
    if made is not None:
        write_bundle(made, folder / "pumps.zip")
    text = GOOD + SLOT.replace('["numpy_reference"]', backends) + 'bundle = "pumps.zip"\n'
    path = written(folder, text)
    found = [f"{key}: {reason}" for key, reason, _ in bundle_problems(load_settings(path))]
    assert check_config(Namespace(file=path, json=False)) == (2 if found else 0)
    return found


def test_a_bundle_that_fits_is_accepted(tmp_path: Path) -> None:
    _, rate_hz = sensed(GOOD, tmp_path)
    assert problems_of(tmp_path, trend_bundle(rate_hz)) == []
    assert problems_of(tmp_path, trend_bundle(rate_hz, log_spectrum=True)) == []


def test_a_bundle_of_other_rows_is_told_what_there_is(tmp_path: Path) -> None:
    _, rate_hz = sensed(GOOD, tmp_path)
    (said,) = problems_of(tmp_path, trend_bundle(rate_hz / 2.0, log_spectrum=True))
    assert "features do not fit model 'linear'" in said
    made = trend_bundle(rate_hz)
    (said,) = problems_of(tmp_path, Bundle(replace(made.manifest, extractor_version="trend-0"), made.files))
    assert "made with extractor 'trend-0'; features are of 'trend-1' or 'log-spectrum-1'" in said


def test_a_bundle_that_is_missing_or_damaged_or_has_no_file_for_a_runtime(tmp_path: Path) -> None:
    (missing,) = problems_of(tmp_path, None)
    assert missing.startswith("models.slots[0].bundle")
    assert "pumps.zip: there is no such folder or file" in missing
    _, rate_hz = sensed(GOOD, tmp_path)
    (lacks,) = problems_of(tmp_path, trend_bundle(rate_hz), '["litert", "numpy_reference"]')
    assert "nothing for litert; it has numpy_reference" in lacks
    damaged = (tmp_path / "pumps.zip").read_bytes()
    (tmp_path / "pumps.zip").write_bytes(damaged[: len(damaged) // 2])
    (said,) = problems_of(tmp_path, None)
    assert "cut short" in said


def test_a_bundle_for_other_features_or_another_extractor(tmp_path: Path) -> None:
    _, rate_hz = sensed(GOOD, tmp_path)
    other = problems_of(tmp_path, trend_bundle(800.0))
    assert len(other) == 1
    assert "features do not fit" in other[0]
    made = trend_bundle(rate_hz)
    (old,) = problems_of(tmp_path, Bundle(replace(made.manifest, extractor_version="trend-0"), made.files))
    assert "extractor 'trend-0'" in old


def test_check_config_says_who_will_answer(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, GOOD + SLOT))
    said = [
        one.text for asset in settings.assets for one in prospects(settings, asset) if one.what == "network"
    ]
    assert said
    assert all(text.endswith("run by numpy_reference, then the statistical detector") for text in said)
    assert any(sensed(GOOD, tmp_path)[0] in text for text in said)
