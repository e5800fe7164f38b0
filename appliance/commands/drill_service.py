"""The service on a host clock that the drill sets: `python -m appliance.commands.drill_service CLOCK run ...`

Duty: everything is `stethos run`, but wall clock and discipline come from the file CLOCK at every look
(`drill/host_clock.py`), and the arrival audit runs every few seconds instead of hourly: the drill waits for
it. Nothing else is touched. No command of its own: `stethos drill` starts it.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from appliance import wiring, wiring_reconcile
from appliance.clock import SystemClock
from appliance.commands import EXIT_FAILED, run
from appliance.drill.host_clock import HostClock
from appliance.errors import Fatal
from appliance.reconcile.reconciler import AuditPlan

EVERY_S, SETTLE_S = 10.0, 3.0


def quick_plan(days: float, every_s: float) -> AuditPlan:
    """The configured plan with the drill's intervals."""
    return AuditPlan(
        days=days, every_s=min(every_s, EVERY_S), settle_s=SETTLE_S, recheck_s=EVERY_S, trouble_s=SETTLE_S
    )


def main(arguments: list[str]) -> int:
    """Run the appliance; the first argument is the clock's file, the rest is for `stethos`."""
    host = HostClock(Path(arguments[0]))
    clock = functools.partial(SystemClock, wall_clock=host.wall_ns, discipline=host.discipline)
    setattr(wiring, "SystemClock", clock)  # noqa: B010 - the host's clock is this process's alone
    setattr(wiring_reconcile, "AuditPlan", quick_plan)  # noqa: B010
    parser = argparse.ArgumentParser(prog="stethos")
    run.add_parser(parser.add_subparsers(required=True))
    options = parser.parse_args(arguments[1:])
    try:
        return int(options.run(options))
    except Fatal as error:
        print(f"stethos: {error}", file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
