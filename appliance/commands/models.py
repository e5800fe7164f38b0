"""`stethos models`: who scores live windows, and changing that without a restart.

Duty: the command: arguments, tables, exit codes. Changes go into the store beside which the service writes
its report; a running service takes them up within a second, another one once it runs. Exit 0: done; 1: not
possible; 2: wrong configuration.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.commands import EXIT_OK
from appliance.commands.service_owner import give_to_owner_of
from appliance.config import ApplianceSettings
from appliance.config_file import load_settings
from appliance.config_models import ModelSlotSettings, ModelsSettings
from appliance.errors import Fatal, Rejected
from appliance.model_report import read_report
from appliance.wiring_models import bundle_fits, model_store
from models.bundle import Bundle
from models.errors import ModelError
from models.store import read_bundle
from models.store_slots import SlotsState, SlotStore

WAIT_S = 5.0
LOOK_S = 0.1
STALE_S = 150.0  # a service writes its report each minute
_Change = Callable[[SlotStore, ModelSlotSettings], SlotsState]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `models` and its actions to the command line."""
    parser = subparsers.add_parser(
        "models",
        help="who scores live windows: status, switch, shadow, promote, roll back",
        description="Of the networks in [models]. A running appliance takes a change up within a second, "
        "without a restart. Exit code 0: done; 1: not possible; 2: wrong configuration.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    status = actions.add_parser(
        "status", aliases=["list"], help="what is in service, who answers, what is kept"
    )
    use = actions.add_parser("use", help="let the network answer, or the statistical detector")
    use.add_argument("who", choices=["network", "statistical"])
    shadow = actions.add_parser(
        "shadow",
        help="what a bundle beside the active one says otherwise; with BUNDLE, begin that",
        description="Without BUNDLE prints how far the shadow disagrees with what judged the same windows.",
    )
    what = shadow.add_mutually_exclusive_group()
    what.add_argument(
        "bundle", nargs="?", type=Path, metavar="BUNDLE", help="run it in the shadow from now on"
    )
    what.add_argument("--end", action="store_true", help="run nothing in the shadow any more")
    promote = actions.add_parser("promote", help="put the shadow's bundle into service; keep the active one")
    back = actions.add_parser("roll-back", help="put the previous bundle into service again")
    for action, run_it in (
        (status, run_status), (use, run_use), (shadow, run_shadow), (promote, run_promote), (back, run_back),
    ):  # fmt: skip
        action.add_argument("--config", type=Path, required=True, metavar="FILE")
        action.add_argument(
            "--slot", metavar="NAME", help="of [[models.slots]]; the only one, or all, without"
        )
        action.add_argument("--json", action="store_true", help="print one JSON object")
        action.set_defaults(run=run_it)


def run_status(options: argparse.Namespace) -> int:
    """Say how every slot stands."""
    _, models, store = _opened(options)
    state, report = _read(store), _report(store)
    told = {one["name"]: one for one in (report or {}).get("slots", [])}
    rows: list[dict[str, Any]] = []
    for slot in _chosen(options, models):
        entry = state.of(slot.name)
        kept = {
            name: _title(store, identity)
            for name, identity in asdict(entry).items()
            if name != "use" and identity is not None
        }
        configured = None if slot.bundle is None else str(slot.bundle)
        rows.append({
            "slot": slot.name, "use": entry.use, "configured": configured, "kept": kept,
            "service": told.get(slot.name),
        })  # fmt: skip
    age_s = None if report is None else max(0.0, time.time() - report["time_ns"] / 1e9)
    if options.json:
        print(json.dumps({"reported_s_ago": age_s, "revision": state.revision, "slots": rows}))
        return EXIT_OK
    if age_s is None:
        print("no service has reported yet: it does not run, or began just now")
    elif age_s > STALE_S:
        print(f"the service does not run: its last word is {age_s / 60.0:.0f} minutes old")
    for row in rows:
        _print_slot(row)
    return EXIT_OK


def _print_slot(row: dict[str, Any]) -> None:
    service = row["service"]
    print(f"{row['slot']}: {row['use']} is to answer")
    if service is not None:
        print(f"  answers now     {service['answers']}{', ' + service['title'] if service['title'] else ''}")
        for one in service["runtimes"]:
            why = f", {one['reason']}" if one["reason"] else ""
            print(f"  runtime         {one['backend']}: {one['state']}{why}")
        if service["alarm"]:
            print(f"  alarm           {service['alarm']}")
        answered = ", ".join(f"{n:,} by {who}" for who, n in sorted(service["answered_windows"].items()))
        print(f"  windows asked   {answered or 'none'}")
        if service["latency_p50_s"] is not None:
            p50, p99 = service["latency_p50_s"] * 1e3, service["latency_p99_s"] * 1e3
            print(f"  calls           {service['calls']:,}; p50 {p50:.2g} ms, p99 {p99:.2g} ms")
    print(f"  configured      {row['configured'] or 'no bundle'}")
    for name, title in row["kept"].items():
        print(f"  {name:<15} {title}")


def run_use(options: argparse.Namespace) -> int:
    """Switch between network and statistical detector."""
    return _changed(options, lambda store, slot: store.use(slot.name, options.who), f"{options.who} answers")


def run_shadow(options: argparse.Namespace) -> int:
    """Begin or end a shadow, or print what it disagrees about."""
    if options.end:
        return _changed(
            options, lambda store, slot: store.end_shadow(slot.name), "nothing runs in the shadow"
        )
    if options.bundle is not None:
        settings = _opened(options)[0]
        bundle = _bundle(options.bundle)

        def begin(store: SlotStore, slot: ModelSlotSettings) -> SlotsState:
            bundle_fits(settings, slot.name, bundle)
            return store.try_beside(slot.name, bundle)

        title = f"{bundle.manifest.name} {bundle.manifest.version}"
        return _changed(options, begin, f"{title} runs in the shadow", one=True)
    return _print_shadows(options)


def _print_shadows(options: argparse.Namespace) -> int:
    _, models, store = _opened(options)
    report = _report(store) or {"slots": []}
    told = {one["name"]: one for one in report["slots"]}
    rows = []
    for slot in _chosen(options, models):
        service = told.get(slot.name) or {}
        rows.append({
            "slot": slot.name, "beside": service.get("title", ""), "report": service.get("shadow"),
            "trouble": service.get("shadow_trouble", ""),
        })  # fmt: skip
    if options.json:
        print(json.dumps({"shadows": rows}))
        return EXIT_OK
    for row in rows:
        shadow = row["report"]
        if shadow is None:
            print(
                f"{row['slot']}: nothing runs in the shadow{': ' + row['trouble'] if row['trouble'] else ''}"
            )
            continue
        print(f"{row['slot']}: {shadow['title']} beside {row['beside'] or 'the statistical detector'}")
        for name, text in disagreement_lines(shadow):
            print(f"  {name:<28} {text}")
    return EXIT_OK


def disagreement_lines(shadow: dict[str, Any]) -> list[tuple[str, str]]:
    """A shadow's report as lines of a table."""
    windows, correlation = shadow["windows"], shadow["correlation"]
    differ = shadow["only_active_over"] + shadow["only_shadow_over"]
    share = f" ({differ / windows:.2%})" if windows else ""
    lines = [
        ("windows compared", f"{windows:,}"),
        ("correlation of scores", "not known yet" if correlation is None else f"{correlation:.4f}"),
        ("mean score", f"{shadow['mean_active']:.3f} in service, {shadow['mean_shadow']:.3f} in the shadow"),
        ("decisions that differ", f"{differ:,}{share}"),
        ("  over the limit in service only", f"{shadow['only_active_over']:,}"),
        ("  over the limit in shadow only", f"{shadow['only_shadow_over']:,}"),
        ("both over the limit", f"{shadow['both_over']:,}"),
    ]
    if shadow["latency_p50_s"] is not None:
        p50, p99 = shadow["latency_p50_s"] * 1e3, shadow["latency_p99_s"] * 1e3
        lines.append(("latency of a call", f"p50 {p50:.2g} ms, p99 {p99:.2g} ms"))
    if shadow["unanswered"]:
        lines.append(("not answered", f"{shadow['unanswered']:,}: {shadow['why_unanswered']}"))
    if shadow["dropped"]:
        lines.append(("came too fast for it", f"{shadow['dropped']:,}"))
    return lines


def run_promote(options: argparse.Namespace) -> int:
    """The shadow's bundle becomes active."""

    def promoted(store: SlotStore, slot: ModelSlotSettings) -> SlotsState:
        configured = None
        if slot.bundle is not None and store.read().of(slot.name).active is None:
            try:
                configured = read_bundle(slot.bundle)
            except ModelError:  # what cannot be read cannot be gone back to
                configured = None
        return store.promote(slot.name, configured)

    return _changed(options, promoted, "the shadow's bundle is active, the other one previous", one=True)


def run_back(options: argparse.Namespace) -> int:
    """The previous bundle becomes active."""
    return _changed(
        options, lambda store, slot: store.roll_back(slot.name), "the previous bundle is active", one=True
    )


def _changed(options: argparse.Namespace, change: _Change, words: str, one: bool = False) -> int:
    """Change the chosen slots (`one`: exactly one) and wait until a running service has taken that up."""
    _, models, store = _opened(options)
    slots = _chosen(options, models)
    if one and len(slots) != 1:
        raise Fatal(f"--slot is needed: there are {', '.join(slot.name for slot in slots)}")
    revision = 0
    try:
        for slot in slots:
            revision = change(store, slot).revision
    except ModelError as error:
        raise Fatal(str(error)) from error
    finally:
        _give(store)
    taken = _taken_up(store, revision)
    names = [slot.name for slot in slots]
    if options.json:
        print(json.dumps({"slots": names, "revision": revision, "taken_up": taken}))
    else:
        when = "now" if taken else "once the service runs, or within a second"
        print(f"{', '.join(names)}: {words}, {when}")
    return EXIT_OK


def _taken_up(store: SlotStore, revision: int) -> bool:
    """Whether the service reports that it follows this state; waits for a running one only."""
    give_up_s = time.monotonic() + WAIT_S
    while True:
        report = _report(store)
        if report is not None and report["revision"] >= revision:
            return True
        running = report is not None and time.time() - report["time_ns"] / 1e9 < STALE_S
        if not running or time.monotonic() > give_up_s:
            return False
        time.sleep(LOOK_S)


def _opened(options: argparse.Namespace) -> tuple[ApplianceSettings, ModelsSettings, SlotStore]:
    settings = load_settings(options.config)
    if settings.models is None:
        raise Fatal(f"{options.config} has no [models]: the statistical detector scores all windows")
    return settings, settings.models, model_store(settings.station.state_dir)


def _chosen(options: argparse.Namespace, models: ModelsSettings) -> list[ModelSlotSettings]:
    found = [slot for slot in models.slots if options.slot in (None, slot.name)]
    if not found:
        raise Fatal(f"there is no slot {options.slot!r}; there are {', '.join(s.name for s in models.slots)}")
    return found


def _read(store: SlotStore) -> SlotsState:
    try:
        return store.read()
    except ModelError as error:
        raise Fatal(str(error)) from error


def _report(store: SlotStore) -> dict[str, Any] | None:
    try:
        return read_report(store.folder)
    except Rejected as error:
        raise Fatal(str(error)) from error


def _bundle(path: Path) -> Bundle:
    try:
        return read_bundle(path)
    except ModelError as error:
        raise Fatal(str(error)) from error


def _title(store: SlotStore, identity: str) -> str:
    try:
        manifest = store.bundle(identity).manifest
    except ModelError as error:
        return f"UNUSABLE: {error}"
    return f"{manifest.name} {manifest.version}, bundle {identity[:12]}"


def _give(store: SlotStore) -> None:
    """What root has made here is the service's."""
    if store.folder.is_dir():
        give_to_owner_of(store.folder.parent, store.folder, *store.folder.iterdir())
