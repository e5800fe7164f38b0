"""[object_store]: what belongs together, what is missing, and nothing in the clear beyond this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config_file import load_settings
from tests.appliance.test_config import GOOD, problems

S3 = """
[object_store]
kind = "s3"
url = "https://s3.example:9000"
bucket = "captures"
access_key_id = "AKIA"
secret_key_file = "key"
"""


def test_a_whole_table_is_read_and_the_defaults_are_those_of_the_sample(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "c.toml").write_text(GOOD + S3)
    store = load_settings(tmp_path / "c.toml").object_store
    assert store is not None
    assert store.secret_key_file == tmp_path / "key"
    sample = (Path(__file__).parents[2] / "image" / "stethos.sample.toml").read_text()
    for name, field in type(store).model_fields.items():
        assert f"# {name} = " in sample, name
        if isinstance(field.default, str | bool | float) and field.default not in ("", None):
            shown = {True: "true", False: "false"}.get(field.default, field.default) if isinstance(
                field.default, bool
            ) else f'"{field.default}"' if isinstance(field.default, str) else f"{field.default}"  # fmt: skip
            assert f"# {name} = {shown}" in sample, name


@pytest.mark.parametrize(
    ("given", "written", "key", "reason"),
    [
        ('bucket = "captures"\n', "", "object_store.bucket", "missing"),
        ('_file = "key"', '_file = "gone"', "object_store.secret_key_file", "there is no file"),
        ("https://s3", "http://s3", "object_store.url", "without TLS"),
        ('kind = "s3"', 'kind = "ftp"', "object_store.kind", "not possible"),
        ('"captures"', '"Captures_1"', "object_store.bucket", "not possible"),
        ('kind = "s3"', 'kind = "s3"\ntoken_file = "key"', "object_store.token_file", "belong to kind s3"),
        ('"AKIA"', '"AKIA"\nprefix = "/a"', "object_store.prefix", "not possible"),
        ('"AKIA"', '"AKIA"\ndaily_budget_mb = 0', "object_store.daily_budget_mb", "greater than 0"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, given: str, written: str, key: str, reason: str) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert given in S3
    found = problems(tmp_path, GOOD + S3.replace(given, written, 1))
    assert [problem.key for problem in found] == [key]
    assert reason in found[0].reason


def test_a_plain_put_wants_no_bucket_and_may_stay_on_this_machine_without_tls(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        GOOD + '\n[object_store]\nkind = "https"\nurl = "http://127.0.0.1:80/dav"\n'
    )
    store = load_settings(tmp_path / "c.toml").object_store
    assert store is not None
    assert store.daily_budget_mb == 200.0
