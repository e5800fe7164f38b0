"""`stethos inspect FOLDER`: pictures of parts through the inspection of the live appliance, as a timeline.

Duty: the command: arguments, order of files, lines, exit codes. Exit 0: inspected; 1: the pictures cannot be
decoded here; 2: the folder or an option cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.alarm_records import StoredTransition
from appliance.commands import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_OK
from appliance.commands.export_trends import iso_utc
from appliance.counters import Counter, CounterTotal
from appliance.inspection_knowledge import LEAST_LEARN_PICTURES, CameraKnowledge
from appliance.inspection_line import LineSettings
from appliance.inspection_model import PictureModel
from appliance.inspection_pictures import verdict_words
from appliance.inspection_store import restore_knowledge
from appliance.inspection_verdict import Part, PartResult, PartVerdict, WhyNone
from appliance.sources.camera import Frame, FrameMissed
from appliance.sources.camera_files import SUFFIXES
from appliance.sources.camera_folder import READ_LIMIT_S, FolderCamera
from appliance.sources.camera_process import PictureReader, ReaderError
from appliance.wiring_inspect import InspectionReplay, inspection_replay
from models.backends.numpy_reference import NUMPY_REFERENCE
from models.errors import ModelError

CAMERA_ID = "folder"
MODEL_START_S, MODEL_DEADLINE_S = 60.0, 10.0
_SAID = (
    Counter.PARTS_INSPECTED, Counter.PARTS_DEFECTIVE, Counter.DEFECTS, Counter.PARTS_NO_VERDICT,
    *(one for one in Counter if not one.startswith(("parts ", "defects"))),
)  # fmt: skip


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `inspect` to the command line."""
    parser = subparsers.add_parser(
        "inspect",
        help="inspect the pictures of a folder and print counters, defects and alarms as a timeline",
        description="JPEG and PNG files in the order of their times. The first ones that can be judged must "
        "be of good parts: they teach. Each part's verdict, alarms, and at the end the counters; the latency "
        "budget of the live appliance does not count here.",
        epilog="Exit codes: 0 inspected, 1 pictures cannot be decoded here, 2 folder or option unusable.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--learn", type=int, default=30, metavar="N", help="so many pictures of good parts teach (30)"
    )
    parser.add_argument(
        "--learned", type=Path, metavar="FILE.npz", help="what a camera has learned, in place of learning"
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="BUNDLE", help="inspect by this model, before what good parts teach"
    )
    parser.add_argument(
        "--runtime", default=NUMPY_REFERENCE, metavar="NAME", help="what runs it (the reference)"
    )
    parser.add_argument("--defects", default="3/10", metavar="N/M", help="a run of defects (3/10)")
    parser.add_argument("--colour", action="store_true", help="keep colours")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="put kept pictures there, as PNG")
    parser.add_argument("--all", action="store_true", help="print good parts, too")
    parser.add_argument("--json", action="store_true", help="JSON lines: part, alarm, picture, summary")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Inspect `options.folder`; see `add_parser` for the options, the module for exit codes."""
    try:
        files = _files(options.folder)
        needed, of = _run_of(options.defects)
        model = _model(options)
        knowledge = _knowledge(options, model)
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print(str(error), file=sys.stderr)
        return EXIT_CONFIGURATION
    settings = LineSettings(math.inf, 1, needed, of)
    try:
        with _started(model):
            asyncio.run(_inspect(files, options, knowledge, settings))
    except ReaderError as error:
        print(f"pictures cannot be decoded: {error}. {error.remedy}", file=sys.stderr)
        return EXIT_FAILED
    except ModelError as error:
        print(str(error), file=sys.stderr)
        return EXIT_CONFIGURATION
    return EXIT_OK


@contextlib.contextmanager
def _started(model: PictureModel | None) -> Iterator[None]:
    """The model's processes, once one of them answers. Raises ModelError."""
    if model is None:
        yield
        return
    model.start()
    try:
        if not model.serves(MODEL_START_S):
            raise ModelError("the model does not begin to answer: try --runtime numpy_reference")
        yield
    finally:
        model.close()


@dataclass(slots=True)
class _Timeline:
    """Lines as they come. `clock`: what happened when, by the files' times."""

    as_json: bool
    everything: bool
    keeps: bool = False  # kept pictures become files
    say: Callable[[str], None] = print
    verdicts: list[PartVerdict] = field(default_factory=list)

    def part_arrived(self, part: Part) -> None: ...

    def camera_lost(self, camera_id: str) -> None: ...

    def part_decided(self, verdict: PartVerdict) -> None:
        self.verdicts.append(verdict)
        part, time = verdict.part, _second(verdict.part.taken_ns)
        if self.as_json:
            self._line(
                "part", time=time, part=part.number, file=part.name, result=verdict.result, why=verdict.why,
                score=verdict.score, kind=verdict.kind, position_px=verdict.position_px,
                unsure=verdict.unsure, reason=verdict.reason,
            )  # fmt: skip
            return
        quiet = verdict.result is PartResult.GOOD and not verdict.unsure
        if self.everything or not (quiet or verdict.why is WhyNone.LEARNING):
            self.say(f"{time}  {part.name}  {verdict_words(verdict)}")

    def alarm(self, stored: StoredTransition) -> None:
        step, alarm = stored.transition.what, stored.transition.alarm
        if self.as_json:
            self._line("alarm", time=_second(stored.time_ns), what=step, rule=alarm.rule, text=alarm.reason)
        else:
            text = alarm.rule if step == "cleared" else alarm.reason
            self.say(f"{_second(stored.time_ns)}  ALARM {step}: {text}")

    def picture(self, path: Path, why: dict[str, Any]) -> None:
        if self.as_json:
            self._line("picture", **{**why, "kept": str(path)})
        else:
            self.say(f"kept {path}: {why['text']}")

    def summary(self, counters: dict[str, float], knowledge: CameraKnowledge) -> None:
        if self.as_json:
            self._line(
                "summary", counters=counters, learned=knowledge.learned, begun_anew=knowledge.begun_anew
            )
            return
        n, needed = knowledge.progress
        self.say(f"learned from {n} of {needed} pictures" + ("" if knowledge.learned else ": not enough"))
        if knowledge.begun_anew:
            self.say(
                f"learning began anew {knowledge.begun_anew} times, since pictures had different sizes: "
                "a camera's have one"
            )
        told = {"pictures kept" if name == "captures" else name: value for name, value in counters.items()}
        self.say(", ".join(f"{name} {value:g}" for name, value in told.items()) or "no pictures")
        if "captures" in counters and not self.keeps:
            self.say("to have them as files: --keep FOLDER")

    def _line(self, type_of_line: str, **what: Any) -> None:
        self.say(json.dumps({"type": type_of_line, **what}))


def _second(time_ns: int) -> str:
    """UTC without its fractions."""
    return iso_utc(time_ns)[: len("2026-01-01T00:00:00")] + "Z"


async def _inspect(
    files: list[Path], options: argparse.Namespace, knowledge: CameraKnowledge, settings: LineSettings
) -> None:
    timeline = _Timeline(options.json, options.all, options.keep is not None)
    reader = PictureReader()
    camera = FolderCamera(CAMERA_ID, options.folder)
    try:
        async with inspection_replay(camera, knowledge, settings, timeline, timeline.alarm) as replay:
            for path in files:
                await replay.show(await _read(reader, path, options.colour))
                await asyncio.sleep(0)  # alarms are told by a task of their own
            if options.keep is not None:
                await _keep(replay, options.keep, timeline)
            timeline.summary(_counted(await replay.counters()), knowledge)
    finally:
        await reader.close()


async def _read(reader: PictureReader, path: Path, colour: bool) -> Frame | FrameMissed:
    """A file as the live camera would deliver it. Raises ReaderError where nothing can be decoded at all."""
    taken_ns = (await asyncio.to_thread(path.stat)).st_mtime_ns
    try:
        read = await reader.read_file(str(path), colour, READ_LIMIT_S)
    except ReaderError as error:
        if error.remedy:
            raise
        return FrameMissed(taken_ns, path.name, f"the picture is damaged: {error}")
    return Frame(taken_ns, path.name, read.picture)


async def _keep(replay: InspectionReplay, folder: Path, timeline: _Timeline) -> None:
    for capture in await replay.captures():
        path = folder / f"{capture.capture_id}.png"
        await asyncio.to_thread(path.write_bytes, await asyncio.to_thread(replay.picture, capture))
        timeline.picture(path, capture.triggers[0])


def _counted(totals: list[CounterTotal]) -> dict[str, float]:
    """By name, what matters most first: "defects scratch" of those by kind."""
    known = sorted(totals, key=lambda one: (_SAID.index(one.counter), one.subject))
    return {
        f"{one.counter} {one.subject.removeprefix(CAMERA_ID).lstrip('/')}".strip(): one.value for one in known
    }


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: give the one that holds the pictures")
    found = list(_pictures(folder))
    if not found:
        raise ValueError(f"{folder} holds no {', '.join(SUFFIXES)} files")
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _pictures(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path


def _run_of(text: str) -> tuple[int, int]:
    needed, _, of = text.partition("/")
    if not (needed.isdecimal() and of.isdecimal() and 1 <= int(needed) <= int(of) <= 1000):
        raise ValueError(f"--defects {text}: two whole numbers are needed, such as 3/10")
    return int(needed), int(of)


def _model(options: argparse.Namespace) -> PictureModel | None:
    if options.bundle is None:
        return None
    model = PictureModel(options.bundle, [options.runtime], MODEL_DEADLINE_S)
    if model.trouble:
        raise ValueError(model.trouble)
    return model


def _knowledge(options: argparse.Namespace, model: PictureModel | None) -> CameraKnowledge:
    if options.learn < LEAST_LEARN_PICTURES:
        raise ValueError(f"--learn {options.learn}: {LEAST_LEARN_PICTURES} pictures are least")
    knowledge = CameraKnowledge(options.learn, model)
    if options.learned is not None:
        if not options.learned.is_file():
            raise ValueError(f"there is no file {options.learned}")
        if trouble := restore_knowledge(knowledge, options.learned):
            raise ValueError(trouble)
    return knowledge
