"""The schema's document and the encoder are one; keys derive from the stored record alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.clock import ReplayClock
from appliance.errors import Rejected
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.sinks.courier import KINDS
from appliance.sinks.points import encode, event_time_ns
from appliance.sinks.points_schema import SCHEMA, WANTED
from tests.appliance.journal.builders import START_NS
from tests.appliance.sinks.way import DEVICE, everything, journal_in, own_health

DOCUMENT = Path(__file__).parents[3] / "docs" / "influx-schema.md"


def tables() -> str:
    """The document's tables, as they should be."""
    parts = []
    for name, info in SCHEMA.items():
        parts.append(f"\n### {name}\n\n{info.meaning[0].upper()}{info.meaning[1:]}. Tags: ")
        parts.append(", ".join(f"`{tag}`" for tag in info.tags))
        parts.append(".\n\n| field | type | unit | meaning |\n|---|---|---|---|\n")
        parts.extend(
            f"| `{field}` | {one.type} | {one.unit or '-'} | {one.meaning} |\n"
            for field, one in info.fields.items()
        )
    return "".join(parts)


def test_the_document_describes_every_measurement_tag_and_field() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    begin = text.index("## Measurements\n") + len("## Measurements\n")
    written = text[begin : text.index("\n## Asking")]
    assert written == tables(), f"write this into {DOCUMENT.name}:\n{tables()}"


def test_every_kind_that_may_leave_has_its_measurement() -> None:
    allowed = frozenset().union(*KINDS.values())
    assert allowed == WANTED == {info.kind for info in SCHEMA.values()}


ACTS = {
    "acknowledged_by",
    "act_reason",
    "shelved_by",
    "shelved_until_ns",
    "conflict",
    "acts_signature",
    "document_signature",
}  # of people, if any
TYPES = {
    "float": r"[-+.\de]+",
    "integer": r"-?\d+i",
    "string": r'"(?:[^"\\]|\\.)*"',
    "boolean": r"true|false",
}


async def test_every_line_has_the_tags_and_fields_of_its_measurement_and_no_others(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS, trusted=False)
    seen: dict[str, set[str]] = {}
    async with journal_in(tmp_path, clock) as journal:
        await everything(journal, clock)
        await own_health(journal)
        for record in await journal.read(0, None, 10_000):
            names = None
            if record.kind is RecordKind.FEATURES:
                names = await journal.queries.name_list(record.payload[6:14])
            line = encode(record, DEVICE, "pump-1", names)
            if line is None:
                continue
            assert "time_bound_s" not in line.decode()
            placed = record._replace(time_resolved=True, time_bound_s=7)
            line = encode(placed, DEVICE, "pump-1", names)
            assert line is not None
            measurement, tags, fields = parsed(line.decode())
            info = SCHEMA[measurement]
            assert info.kind is record.kind
            assert set(tags) <= set(info.tags)
            for name, value in fields.items():
                known = info.fields.get(name) or (
                    info.fields["<feature>"] if name.endswith(("_mps2", "sis")) else None
                )
                assert known is not None, f"{measurement}.{name} is not in the schema"
                assert re.fullmatch(TYPES[known.type], value, re.DOTALL), f"{measurement}.{name}={value}"
            seen.setdefault(measurement, set()).update(fields)
    assert set(seen) == set(SCHEMA) - {"audit", "reconciliation", "command_result"}
    for measurement, fields in seen.items():
        unseen = set(SCHEMA[measurement].fields) - fields - {"<feature>"} - ACTS
        assert not unseen, f"{measurement}: the schema promises {unseen}, no line has it"


def parsed(line: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """A slow, plain reader of one line: what stands between unescaped separators."""
    head, body, _ = re.fullmatch(
        r'((?:\\.|[^ \\])+) ((?:"(?:[^"\\]|\\.)*"|\\.|[^ "\\])+) (-?\d+)', line, re.DOTALL
    ).groups()  # type: ignore[union-attr]
    name, *tags = re.split(r"(?<!\\),", head)
    pairs = re.findall(r'((?:\\.|[^=,\\])+)=("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)', body, re.DOTALL)
    return name, dict(re.split(r"(?<!\\)=", tag, maxsplit=1) for tag in tags), dict(pairs)


def record(sequence: int, **changes: Any) -> Record:
    made = Record(
        sequence=sequence,
        record_class=RecordClass.ALARM,
        kind=RecordKind.AUDIT,
        key=f"audit/{sequence}",
        subject="user anna",
        boot_id="b",
        monotonic_ns=1,
        time_ns=START_NS + 123_456_789,
        time_trusted=True,
        payload=orjson.dumps({"what": "password changed"}),
    )
    return made._replace(**changes)


def test_events_of_one_instant_have_times_of_their_own_near_the_true_one() -> None:
    base = 3 << 40
    times = [event_time_ns(record(base + number)) for number in range(10_000)]
    assert len(set(times)) == len(times)
    assert all(abs(time_ns - (START_NS + 123_456_789)) < 1_000_000 for time_ns in times)


def test_the_same_record_gives_the_same_line() -> None:
    assert encode(record(5), DEVICE, "") == encode(record(5), DEVICE, "")
    line = encode(record(5), DEVICE, "")
    assert line is not None
    assert line.startswith(f'audit,device_id={DEVICE} subject="user anna",document='.encode())


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (RecordKind.SCORE, b"not json"),
        (RecordKind.SCORE, b'{"other": 1}'),
        (RecordKind.SCORE, b'{"value": "text"}'),
        (RecordKind.ALARM_TRANSITION, b"{}"),
        (RecordKind.ALARM_TRANSITION, b'{"alarm": null, "what": "raised"}'),
        (RecordKind.GAP, b"[]"),
        (RecordKind.COUNTER_VALUE, b'{"subject": "a"}'),
        (RecordKind.FEATURES, b"\x01" * 20),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_by_its_key(kind: RecordKind, payload: bytes) -> None:
    with pytest.raises(Rejected, match="audit/7"):
        encode(record(7, kind=kind, payload=payload), DEVICE, "pump-1")


def test_a_document_that_is_too_long_is_left_out_and_its_length_told() -> None:
    long = record(1, kind=RecordKind.LEARNED_LIMIT, payload=orjson.dumps(["x" * 70_000]))
    line = encode(long, DEVICE, "pump-1")
    assert line is not None
    assert b"document=" not in line
    assert b"document_bytes=70004i" in line


def test_what_a_group_of_process_values_learned_is_of_its_machine() -> None:
    learned = record(1, kind=RecordKind.LEARNED_LIMIT, payload=b"{}")
    line = encode(learned._replace(subject="pump-2/values/water"), DEVICE, "")
    assert line is not None
    assert line.startswith(b"limit,asset=pump-2,channel=pump-2/values/water,")


def test_a_time_that_was_found_later_is_marked_and_a_trusted_one_is_not() -> None:
    plain = record(1)
    marks = {
        plain._replace(time_trusted=True): set(),
        plain._replace(time_trusted=True, time_resolved=True): {"time_resolved=true"},
        plain._replace(time_trusted=False): {"time_trusted=false"},
        plain._replace(time_trusted=False, time_resolved=True, time_bound_s=90): {
            "time_trusted=false", "time_resolved=true", "time_bound_s=90.0",
        },
    }  # fmt: skip
    for one, wanted in marks.items():
        line = encode(one, DEVICE, "pump-1")
        assert line is not None
        found = {part for part in line.decode().split(" ")[-2].split(",") if part.startswith("time_")}
        assert {part for part in found if not part.startswith("time_ns=")} == wanted
