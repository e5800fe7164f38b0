"""PROTOCOL.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import firmware_bridge
from firmware_bridge.codec import wire_bytes_of, wire_length
from firmware_bridge.frames import SAMPLES_HEADER_BYTES, Command, FrameType, payload_of
from firmware_bridge.protocol_document import marked_parts, with_current_parts
from firmware_bridge.transitions import TRANSITIONS, state_diagram

TEXT = (Path(firmware_bridge.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")


def test_tables_and_diagram_are_current() -> None:
    assert marked_parts(TEXT) == {"frames", "codes", "limits", "states", "diagram"}
    assert with_current_parts(TEXT) == TEXT, "renew it: see firmware_bridge/protocol_document.py"


def test_a_changed_part_would_be_noticed() -> None:
    assert with_current_parts(TEXT.replace("start acked", "start barked")) == TEXT


def test_the_diagram_shows_every_transition() -> None:
    diagram = state_diagram()
    for (before, _), after in TRANSITIONS.items():
        assert f"{before} --> {after}" in diagram or after == "closed"


def test_the_examples_in_the_text_are_right() -> None:
    identify = Command(FrameType.IDENTIFY, 1)
    assert f"`{payload_of(identify).hex(' ')}`" in TEXT
    assert f"`{wire_bytes_of(identify).hex(' ').upper()}`" in TEXT
    assert f"{wire_length(SAMPLES_HEADER_BYTES + 128 * 3 * 2)} bytes on the line" in TEXT
