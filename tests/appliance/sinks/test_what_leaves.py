"""What leaves the box for the centre is what the table in docs/influx-schema.md says, and no byte more."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from appliance.clock import ReplayClock
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.sinks.courier import KINDS
from tests.appliance.journal.builders import START_NS
from tests.appliance.sinks.test_courier_turns import Taker
from tests.appliance.sinks.way import everything, journal_in, way

SCHEMA = Path(__file__).parents[3] / "docs" / "influx-schema.md"
STAYS = "a-waveform-that-nobody-may-see"


def documented() -> dict[str, set[str]]:
    """Kinds by class, in the order of the table."""
    section = SCHEMA.read_text(encoding="utf-8").split("## What may leave the box")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", section, re.MULTILINE)[1:]
    return {name: set() if kinds == "nothing" else set(kinds.split(", ")) for name, kinds in rows}


def test_the_table_names_every_class_and_what_the_courier_takes_of_it_in_its_order() -> None:
    told = documented()
    assert set(told) == {str(one) for one in RecordClass}
    leaving = {str(one): {kind.replace("_", " ") for kind in kinds} for one, kinds in KINDS.items()}
    assert {name: kinds for name, kinds in told.items() if kinds} == leaving
    assert [name for name, kinds in told.items() if kinds] == list(leaving)
    stays = {RecordKind.CAPTURE}
    assert set().union(*KINDS.values()) == set(RecordKind) - stays, "a new kind of record has no line here"


async def test_no_byte_of_a_capture_leaves(tmp_path: Path) -> None:
    """The journal holds everything, and a capture beside it."""
    clock = ReplayClock(START_NS)
    sink = Taker()
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, sink=sink) as one:
        capture = f'{{"subject": "{STAYS}"}}'.encode()
        await journal.commit(
            [NewRecord(RecordClass.CAPTURE, RecordKind.AUDIT, "capture/1", STAYS, 10**9, capture)]
        )
        await everything(journal, clock)
        await one.drained()
    assert {batch.record_class for batch in sink.batches} == set(KINDS)
    sent = b"".join(gzip.decompress(batch.body) for batch in sink.batches)
    assert b"pump-1.de.x" in sent
    assert STAYS.encode() not in sent
