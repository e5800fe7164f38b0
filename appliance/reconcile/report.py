"""The reconciliation report: what was compared after a reconnect, what was repaired, what a person must see.

Duty: the figures and lines of one report, and their forms (text, JSON, fields for the centre). Each part of
the reconciliation adds its own through a `ReportDraft`. Pure; stores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from appliance.sinks.points_report import FIGURES

MOST_LINES = 300
DONE_FIGURES = (  # what was done stays done when a round is cut off; the others are counted anew
    "records_resent",
    "slots_repaired",
    "counters_repaired",
    "alarms_merged",
    "limits_merged",
    "questions",
    "answer_bytes",
)


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One thing that happened: which part says it, about what, in a sentence; old and new value if any."""

    part: str
    subject: str
    text: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One finished report. Times UTC ns; `cause`: see `reconciler.py`."""

    report_id: str
    cause: str
    outage_from_ns: int  # 0: there was none
    began_ns: int
    ended_ns: int
    figures: Mapping[str, int]
    lines: tuple[ReportLine, ...]
    lines_left_out: int
    complete: bool  # False: the centre went away before the end

    @property
    def agrees(self) -> bool:
        """Whether both sides agree now."""
        return self.complete and not (
            self.figures["slots_differing"] or self.figures["conflicts"] or self.figures["slots_unanswered"]
        )

    @property
    def text(self) -> str:
        """One sentence for the page."""
        numbers = self.figures
        parts = [f"{numbers['slots_confirmed']:,} of {numbers['slots_audited']:,} slots agree"]
        for name, words in (
            ("slots_repaired", "slots repaired"),
            ("records_resent", "records sent again"),
            ("counters_repaired", "counters repaired"),
            ("alarms_merged", "alarm events taken from the centre"),
            ("limits_merged", "limit versions taken from the centre"),
            ("slots_differing", "slots differ still"),
            ("slots_cut", "slots cut by the centre's retention"),
            ("slots_gone", "slots differ and are no longer kept here"),
            ("slots_unanswered", "slots could not be asked about"),
            ("conflicts", "conflicts"),
            ("dead_letters", "records refused"),
        ):
            if numbers[name]:
                parts.append(f"{numbers[name]:,} {words}")
        return "; ".join(parts) + ("" if self.complete else "; ended early: the centre went away")

    def document(self) -> dict[str, Any]:
        """As JSON has it. Times as decimal strings of UTC ns."""
        return {
            "report_id": self.report_id,
            "cause": self.cause,
            "outage_from_ns": str(self.outage_from_ns),
            "began_ns": str(self.began_ns),
            "ended_ns": str(self.ended_ns),
            "complete": self.complete,
            "agrees": self.agrees,
            "text": self.text,
            "figures": dict(self.figures),
            "lines": [
                {"part": one.part, "subject": one.subject, "text": one.text, "old": one.old, "new": one.new}
                for one in self.lines
            ],
            "lines_left_out": self.lines_left_out,
        }

    def encoded(self, most_lines: int = MOST_LINES) -> bytes:
        """The document, compact; with the first lines only where that is said."""
        document = self.document()
        document["lines_left_out"] += len(document["lines"][most_lines:])
        del document["lines"][most_lines:]
        return orjson.dumps(document)

    @classmethod
    def decoded(cls, stored: bytes) -> Report:
        """Back from `encoded`. Raises ValueError for what is none."""
        try:
            read = orjson.loads(stored)
            return cls(
                read["report_id"],
                read["cause"],
                int(read["outage_from_ns"]),
                int(read["began_ns"]),
                int(read["ended_ns"]),
                {name: int(read["figures"].get(name, 0)) for name in FIGURES},
                tuple(ReportLine(**one) for one in read["lines"]),
                int(read["lines_left_out"]),
                bool(read["complete"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a stored report is not whole: {error}") from error


@dataclass(slots=True)
class ReportDraft:
    """A report in the making. Parts call `count` and `tell`."""

    report_id: str
    cause: str
    began_ns: int
    outage_from_ns: int = 0
    figures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIGURES, 0))
    lines: list[ReportLine] = field(default_factory=list)
    lines_left_out: int = 0

    def count(self, figure: str, number: int = 1) -> None:
        """Add to a figure. Raises KeyError for one that is not in FIGURES."""
        self.figures[figure] += number

    def tell(self, part: str, subject: str, text: str, old: str = "", new: str = "") -> None:
        """Add a line; the first ones are kept, the others counted."""
        if len(self.lines) < MOST_LINES:
            self.lines.append(ReportLine(part, subject, text, old, new))
        else:
            self.lines_left_out += 1

    def go_on_from(self, cut_off: ReportDraft) -> None:
        """Take over what a round that was cut off has done and told: this one goes on where it was."""
        self.began_ns = cut_off.began_ns
        for name in DONE_FIGURES:
            self.figures[name] += cut_off.figures[name]
        self.lines = [*cut_off.lines, *self.lines][:MOST_LINES]
        self.lines_left_out += cut_off.lines_left_out

    def finished(self, ended_ns: int, *, complete: bool) -> Report:
        """The report, once all parts have spoken."""
        return Report(
            self.report_id,
            self.cause,
            self.outage_from_ns,
            self.began_ns,
            ended_ns,
            dict(self.figures),
            tuple(self.lines),
            self.lines_left_out,
            complete,
        )
