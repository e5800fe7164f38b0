"""Reads the configuration file and says, in an operator's words, all that is wrong with it.

Duty: from a path to `ApplianceSettings`, or to every problem at once, each with file, key, reason and remedy.
Does not build anything, opens no port and no network connection.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from appliance.config import ApplianceSettings
from appliance.config_rules import Finding, findings
from appliance.errors import StethosError

MAX_FILE_BYTES = 1_000_000
_KINDS = {
    "source": 'kind = "serial" or kind = "opcua"',
    "camera": 'kind = "folder", kind = "v4l2" or kind = "network"',
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration."""

    file: str
    key: str  # "assets[0].nominal_speed_rpm"; empty where the whole file is meant
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.reason}\n    {self.remedy}"


class ConfigError(StethosError):
    """The configuration cannot be used; `problems` lists why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_settings(path: Path) -> ApplianceSettings:
    """Settings of one TOML file. Raises ConfigError with every problem found.

    Relative paths in the file are taken from the file's folder.
    """
    document = _read(path)
    try:
        # JSON mode is strict where it matters ("30" is no number) and still lets text become a path.
        settings = ApplianceSettings.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ConfigError([_problem(path, detail) for detail in error.errors()]) from None
    settings = _with_absolute_paths(settings, path.absolute().parent)
    found = findings(settings)
    if found:
        raise ConfigError([_from_finding(path, finding) for finding in found])
    return settings


def _read(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise ConfigError([Problem(str(path), "", "is a folder", "Give the configuration file in it.")])
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(
                [Problem(str(path), "", f"is larger than {MAX_FILE_BYTES} bytes", "Is this the right file?")]
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            [
                Problem(
                    str(path),
                    "",
                    "there is no such file",
                    "Start from image/stethos.sample.toml, or check the path.",
                )
            ]
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            [Problem(str(path), "", f"is not UTF-8 text (byte {error.start})", "Save the file as UTF-8.")]
        ) from None
    except OSError as error:
        raise ConfigError(
            [
                Problem(
                    str(path),
                    "",
                    f"cannot be read: {error.strerror}",
                    "Make it readable for the user that runs stethos.",
                )
            ]
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            [
                Problem(
                    str(path),
                    "",
                    f"is not valid TOML: {error}",
                    "Correct that line; text needs quotes, numbers do not.",
                )
            ]
        ) from None


def _with_absolute_paths(settings: ApplianceSettings, folder: Path) -> ApplianceSettings:
    """Settings whose paths no longer depend on the working directory."""
    document = settings.model_dump()

    def absolute(value: Any) -> Any:
        if isinstance(value, Path):
            return folder / value
        if isinstance(value, dict):
            return {key: absolute(item) for key, item in value.items()}
        return [absolute(item) for item in value] if isinstance(value, list) else value

    return ApplianceSettings.model_validate(absolute(document))


def _from_finding(path: Path, finding: Finding) -> Problem:
    return Problem(str(path), finding.key, finding.reason, finding.remedy)


def _problem(path: Path, detail: ErrorDetails) -> Problem:
    models, key = _resolve(detail["loc"])
    field_name = str(detail["loc"][-1]) if detail["loc"] else ""
    kind, given = detail["type"], detail["input"]
    described = _expected(models, field_name)
    if kind == "extra_forbidden":
        return Problem(str(path), key, "there is no such setting", _nearest(field_name, given, models))
    if kind == "missing":
        return Problem(str(path), key, "is missing", f"Add it: {described}." if described else "Add it.")
    if kind.startswith("union_tag"):
        what = "camera" if key.startswith("cameras") else "source"
        return Problem(str(path), f"{key}.kind", _union_reason(kind, given, what), f"Write {_KINDS[what]}.")
    if kind == "too_short":
        return Problem(
            str(path), key, "is empty", "At least one entry is needed, see image/stethos.sample.toml."
        )
    return Problem(str(path), key, *_wrong_value(key, detail, described))


def _wrong_value(key: str, detail: ErrorDetails, described: str) -> tuple[str, str]:
    """Reason and remedy where a setting has a value that it cannot have."""
    kind, given = detail["type"], _shown(detail["input"])
    impossible = f"{given} is not possible"
    if kind == "literal_error":
        expected = str(detail["ctx"]["expected"]).replace("'", '"')
        return impossible, f"Write {expected}."
    if kind in ("model_type", "list_type"):
        table = f"[{key}]" if kind == "model_type" else f"[[{key}]]"
        return impossible, f"Write {table} as a table of its own."
    remedy = f"Expected: {described}." if described else "Correct the value."
    if kind == "string_pattern_mismatch":
        return impossible, remedy  # the pattern is for machines, the remedy for people
    return f"{given}: {detail['msg'][:1].lower()}{detail['msg'][1:]}", remedy


def _union_reason(kind: str, given: Any, what: str) -> str:
    if kind == "union_tag_invalid" and isinstance(given, dict):
        return f"{_shown(given.get('kind'))} is not a kind of {what}"
    return "is missing"


def _shown(value: Any) -> str:
    """What stands in the file, short enough for one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(name: str, given: Any, models: list[type[BaseModel]]) -> str:
    """A remedy for an unknown key: the same quantity in another unit, else the most similar name."""
    known = [field for model in models for field in model.model_fields]
    stem = name.rsplit("_", 1)[0]
    same_quantity = [field for field in known if "_" in field and field.rsplit("_", 1)[0] == stem]
    if same_quantity:
        return f"Did you mean {same_quantity[0]} (mind its unit)? {_shown(given)} was given for {name}."
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Known here: {', '.join(known)}."


def _expected(models: list[type[BaseModel]], name: str) -> str:
    for model in models:
        field = model.model_fields.get(name)
        if field is not None:
            parts = [field.description or ""]
            if field.examples:
                parts.append(f"for example {json.dumps(field.examples[0])}")
            return ", ".join(part for part in parts if part)
    return ""


def _resolve(loc: tuple[int | str, ...]) -> tuple[list[type[BaseModel]], str]:
    """Models that own the last key of a pydantic location, and the key as the operator wrote it."""
    annotations: list[Any] = [ApplianceSettings]
    owners: list[type[BaseModel]] = [ApplianceSettings]
    key = ""
    for step in loc:
        models = [model for annotation in annotations for model in _models_of(annotation)]
        if isinstance(step, int):
            key += f"[{step}]"
            continue
        tagged = [
            model
            for model in models
            if "kind" in model.model_fields and step in get_args(model.model_fields["kind"].annotation)
        ]
        if tagged:  # pydantic names the tag of a union here, the file does not
            annotations, owners = list(tagged), list(tagged)
            continue
        key += f".{step}" if key else step
        owners = models or owners
        annotations = [model.model_fields[step].annotation for model in models if step in model.model_fields]
    return owners, key


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every settings model that may stand at an annotation (lists, unions and Annotated looked through)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models_of(get_args(annotation)[0])
    elif get_origin(annotation) in (list, Union, UnionType):
        for argument in get_args(annotation):
            yield from _models_of(argument)
