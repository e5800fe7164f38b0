"""The soak: `make soak`, 300 machine-weeks of healthy running in virtual time, false alarms counted.

Each machine is one job; its account is a line of a JSON-lines file, written when the machine is through.
Started again with the same file and the same code, the machines that are in it are not run again: a soak can
be stopped at any time. `--fault` seeds a growing outer-race fault in every machine at the begin of the
counted weeks: each must alarm.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.analysis_settings import CADENCE_S
from models.extreme_limit import upper_count
from tests.soak.disturbances import DAY_S, TABLE, WEEK_S, described
from tests.soak.machine import Growth, SoakMachine
from tests.soak.running import run_machine

ROOT = Path(__file__).resolve().parents[2]
WEEKS_PER_YEAR = 365.25 / 7.0
FAULT_GROWS_DAYS = 30.0


def code_digest() -> str:
    """A digest of the code that judges and of the soak: accounts of different code are not added up."""
    digest = hashlib.sha256()
    for folder in ("dsp", "models", "appliance", "tests/soak"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def job(seed: int, learn_weeks: float, weeks: float, fault: bool) -> dict[str, Any]:
    """One machine, whole."""
    growth = Growth(learn_weeks * WEEK_S, FAULT_GROWS_DAYS * DAY_S) if fault else None
    machine = SoakMachine(seed, TABLE, (learn_weeks + weeks) * WEEK_S, growth)
    begin_s = time.monotonic()

    def progress(part: float) -> None:
        if round(part * 1000) % 100 == 0:
            print(f"machine {seed}: {100 * part:.0f} %", file=sys.stderr, flush=True)

    account = asyncio.run(run_machine(machine, learn_weeks, weeks, stop_at_alarm=fault, progress=progress))
    took_s = round(time.monotonic() - begin_s, 1)
    return {"seed": seed, "learn_weeks": learn_weeks, "fault": fault, "took_s": took_s, **account.to_json()}


def main() -> int:
    """Run what is missing, then print the count. Exit code 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--machines", type=int, default=10)
    parser.add_argument("--weeks", type=float, default=30.0, help="that count, per machine")
    parser.add_argument("--learn-weeks", type=float, default=5.0, help="before, for commissioning")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "soak.jsonl")
    parser.add_argument("--fault", action="store_true", help="seed a fault that grows over 30 days")
    parser.add_argument("--first-seed", type=int, default=1)
    options = parser.parse_args()
    kind = {
        "code": code_digest(),
        "weeks": options.weeks,
        "learn_weeks": options.learn_weeks,
        "fault": options.fault,
        "table": asdict(TABLE),
    }
    kind = json.loads(json.dumps(kind))
    seeds = range(options.first_seed, options.first_seed + options.machines)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = {
        entry["seed"]: entry
        for entry in map(json.loads, options.out.read_text().splitlines() if options.out.exists() else [])
        if entry["kind"] == kind and entry["seed"] in seeds
    }
    print(f"{len(done)} of {len(seeds)} machines are in {options.out}", file=sys.stderr)
    with ProcessPoolExecutor(options.processes) as pool:
        jobs = [
            pool.submit(job, seed, options.learn_weeks, options.weeks, options.fault)
            for seed in seeds
            if seed not in done
        ]
        for finished in as_completed(jobs):
            account = {**finished.result(), "kind": kind}
            done[account["seed"]] = account
            with options.out.open("a") as out:
                out.write(json.dumps(account) + "\n")
            print(line_of(account), flush=True)
    return report([done[seed] for seed in seeds], options.fault)


def line_of(account: dict[str, Any]) -> str:
    """One machine in a line."""
    told = "; ".join(f"day {a['day']:g}: {a['reason']}" for a in account["alarms"]) or "no alarm"
    return (
        f"machine {account['seed']}: {account['decisions']} decisions, {account['scored']} scored,"
        f" largest {account['largest']:.2f}, {account['states']} states, {len(account['advisories'])}"
        f" forecasts; {told}; limit {account['limit']}"
    )


def report(accounts: list[dict[str, Any]], fault: bool) -> int:
    """The counts of all machines; 1 where the goal is missed."""
    total = {
        name: sum(account[name] for account in accounts)
        for name in ("decisions", "scored", "diagnosed", "at_rest", "learning")
    }
    print("disturbances: " + "; ".join(described(TABLE)))
    learn_weeks = accounts[0]["learn_weeks"]
    print(
        f"{len(accounts)} machines, a decision each {CADENCE_S:g} s, after {learn_weeks:g} weeks of"
        f" commissioning: {total['decisions']} decisions; {total['scored']} scored, fault lines judged in"
        f" {total['diagnosed']}, {total['at_rest']} at rest or starting, {total['learning']} in states not"
        " learned yet"
    )
    alarms = [alarm for account in accounts for alarm in account["alarms"]]
    if fault:
        caught = [account["alarms"][0]["day"] for account in accounts if account["alarms"]]
        print(
            f"a fault that grows over {FAULT_GROWS_DAYS:g} days: caught in {len(caught)} of {len(accounts)},"
        )
        print(f"on days {', '.join(f'{day:g}' for day in sorted(caught))} of its growth")
        named = sum(
            account["alarms"][0]["fault"] == "outer race" for account in accounts if account["alarms"]
        )
        print(f"first alarm names the outer race: {named} of {len(caught)}")
        return int(len(caught) < len(accounts))
    weeks = sum(account["weeks"] for account in accounts)
    bound = upper_count(len(alarms)) / weeks
    early = sum(len(account["early"]) for account in accounts)
    forecasts = sum(len(account["advisories"]) for account in accounts)
    print(
        f"false alarms: {len(alarms)} in {weeks:g} machine-weeks; 95 % bound {bound:.3f} per machine-week,"
        f" {bound * WEEKS_PER_YEAR:.2f} per machine-year; {early} more while commissioning; {forecasts} false"
        " forecasts (advisories, not alarms)"
    )
    for rule in sorted({alarm["rule"] for alarm in alarms}):
        print(f"  {rule}: {sum(alarm['rule'] == rule for alarm in alarms)}")
    return int(len(alarms) > 1)


if __name__ == "__main__":
    sys.exit(main())
