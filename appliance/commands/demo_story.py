"""The demo's story: from what the appliance says to what happens next and what a watcher is told.

Duty: decides, line by line, when the fault begins and which sentence comes. Pure: lines in, steps out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GROWTH_S = 75.0
FAULT = "outer race"
INDENT = " " * 10  # under the words of a line, which begin behind its time


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that follows: a line to tell (type and fields, and words for people), and maybe the fault."""

    line: dict[str, Any]
    words: str = ""
    begin_fault: bool = False


@dataclass(slots=True)
class DemoStory:
    """Where the story stands."""

    url: str
    switches: tuple[str, ...] = ()  # commands that say, and choose, who scores; none without a network
    fault_begun: bool = False
    alarm_named: bool = False
    told_parts: set[int] = field(default_factory=set)

    def follow(self, line: Mapping[str, Any], pid: int) -> list[Step]:
        """What one line of the appliance leads to; `pid` is the appliance's process."""
        kind = line.get("type")
        if kind == "learning":
            return self._learning(line)
        if kind == "alarm":
            return self._alarm(line, pid)
        if kind == "standing":
            acknowledged = line.get("acknowledged_by")
            words = f"still there after the restart: {line['text']}"
            words += f" (acknowledged by {acknowledged})" if acknowledged else ""
            return [Step(dict(line), words)]
        if kind == "link":
            words = f"link {line['source_id']}: {line['state']}"
            words += f", {line['reason']}" if line["reason"] else ""
            return [Step(dict(line), words)]
        if kind == "starting" and line.get("compiling"):
            return [Step(dict(line), f"{line['text']} ...")]
        return [Step(dict(line))]

    def _learning(self, line: Mapping[str, Any]) -> list[Step]:
        if not line["complete"]:
            part = int(line["percent"] // 10)
            if part in self.told_parts:
                return [Step(dict(line))]
            self.told_parts.add(part)
            return [Step(dict(line), str(line["text"]))]
        steps = [Step(dict(line), str(line["text"]))]
        if not self.fault_begun:
            self.fault_begun = True
            if self.switches:
                steps.append(self._switch())
            steps.append(
                Step(
                    {"type": "fault_started", "fault": FAULT, "growth_s": GROWTH_S},
                    f"now a fault begins to grow in the {FAULT} of the bearing (over {GROWTH_S:.0f} s) ...",
                    begin_fault=True,
                )
            )
        return steps

    def _switch(self) -> Step:
        commands = "".join(f"\n{INDENT}  {command}" for command in self.switches)
        words = "the int8 network scores from now on, the statistical detector stands behind it. In another"
        return Step(
            {"type": "switch", "commands": list(self.switches)},
            f"{words}\n{INDENT}terminal, say who scores and switch while it runs ('Scored by' on the page):"
            + commands,
        )

    def _alarm(self, line: Mapping[str, Any], pid: int) -> list[Step]:
        what, text = line["what"], line["text"]
        if what == "acknowledged":
            return [Step(dict(line), f"acknowledged by {line['actor']}: it stays so, also over a restart")]
        steps = [Step(dict(line), f"ALARM {what} ({line['severity']}): {text}")]
        if line.get("fault") and not self.alarm_named:
            self.alarm_named = True
            steps.append(
                Step(
                    {"type": "hint"},
                    f"Open {self.url}, sign in, click the machine: trend, spectrum and the fault's markers.\n"
                    f"{INDENT}Acknowledge the alarm. Then try `kill -9 {pid}`: the appliance comes back by\n"
                    f"{INDENT}itself, with alarm, acknowledgement, trend and counters. Ctrl-C ends the demo.",
                )
            )
        return steps
