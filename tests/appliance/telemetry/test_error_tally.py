"""Errors in the log, counted by part and bounded."""

from __future__ import annotations

import logging

from appliance.telemetry.error_tally import MOST_PARTS, OTHERS, ErrorTally


def test_errors_are_counted_by_part_and_warnings_are_not() -> None:
    with ErrorTally() as tally:
        logging.getLogger("appliance.sinks.courier").error("one")
        logging.getLogger("appliance.sinks.courier").critical("two")
        logging.getLogger("appliance.journal.writer").warning("no")
        logging.getLogger("asyncio").error("three")
    logging.getLogger("asyncio").error("after")
    assert tally.counts == {"sinks.courier": 2, "asyncio": 1}


def test_parts_are_bounded() -> None:
    with ErrorTally() as tally:
        for number in range(3 * MOST_PARTS):
            logging.getLogger(f"invented.{number}").error("x")
    assert len(tally.counts) == MOST_PARTS + 1
    assert tally.counts[OTHERS] == 2 * MOST_PARTS
