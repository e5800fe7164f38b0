"""What `stethos profile` prints: the table of runtimes, operators, throttling, the Pareto front, the choice.

Duty: wording. Measures nothing and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.runtime_profile import THROTTLES, RuntimeProfile, best_within, pareto_front

_MOST_OPERATORS = 12


def as_json(
    profiles: Sequence[RuntimeProfile], not_run: Mapping[str, str], budget_ms: float | None
) -> dict[str, Any]:
    """The figures as one JSON object."""
    best = None if budget_ms is None else best_within(profiles, budget_ms * 1e3)
    return {
        "profiles": [one.to_json() for one in profiles],
        "not_run": dict(not_run),
        "pareto_front": [one.name for one in pareto_front(profiles)],
        "budget_ms": budget_ms,
        "best": None if best is None else best.name,
    }


def report(
    profiles: Sequence[RuntimeProfile], not_run: Mapping[str, str], budget_ms: float | None
) -> list[str]:
    """The lines that a person reads."""
    lines = _table(profiles)
    lines += [f"not run: {name}: {why}" for name, why in not_run.items()]
    if len({one.judged_on for one in profiles}) > 1:
        lines.append("The bundles were judged on different rows: their areas do not compare.")
    for one in profiles:
        lines += _details(one)
    lines += ["", "Nothing is better in p99, area and size at once than:"]
    lines += [f"  {one.name}" for one in pareto_front(profiles)]
    if budget_ms is not None:
        best = best_within(profiles, budget_ms * 1e3)
        lines.append(
            f"Best within {budget_ms:g} ms: "
            + (
                "none; the fastest p99 is "
                + (f"{min(one.whole.p99_us for one in profiles) / 1e3:.3f} ms" if profiles else "unknown")
                if best is None
                else f"{best.name} (p99 {best.whole.p99_us / 1e3:.3f} ms, AUROC {_area(best.auroc)})"
            )
        )
    return lines


def _table(profiles: Sequence[RuntimeProfile]) -> list[str]:
    wide = max([len(one.bundle) for one in profiles] + [6])
    lines = [
        "Row to score through the model host, one item a call; CPU of both processes; items/s in batches of"
        " 16; MiB of the child.",
        f"{'bundle':{wide}} {'backend':16} {'numbers':8} {'bytes':>8} {'us p50':>7} {'p99':>7} {'CPU':>6}"
        f" {'items/s':>8} {'MiB':>5} {'uJ/call':>8} {'AUROC':>7} {'pAUC':>7} {'late':>5}",
    ]
    for one in profiles:
        energy = one.energy.joules_per_call
        lines.append(
            f"{one.bundle:{wide}} {one.backend:16} {one.precision:8} {one.size_bytes:>8,}"
            f" {one.whole.p50_us:>7.0f} {one.whole.p99_us:>7.0f} {one.whole.cpu_us:>6.0f}"
            f" {one.items_per_s:>8,.0f} {one.resident_bytes / 2**20:>5.0f}"
            f" {'-' if energy is None else f'{energy * 1e6:.0f}':>8} {_area(one.auroc):>7}"
            f" {_area(one.pauc):>7} {one.elsewhere:>5}"
        )
    return lines + [f"energy: {source}" for source in dict.fromkeys(one.energy.source for one in profiles)]


def _details(one: RuntimeProfile) -> list[str]:
    lines = ["", f"{one.name}: {one.whole.calls:,} calls in {one.whole.seconds:.1f} s"]
    energy = one.energy
    if energy.watts is not None and energy.idle_watts is not None:
        lines.append(f"  power {energy.watts:.2f} W, idle {energy.idle_watts:.2f} W")
    throttling = one.throttling
    if throttling is None:
        lines.append("  throttling: cannot tell below two minutes (--minutes)")
    else:
        first, last = one.minutes[0], one.minutes[-1]
        lines.append(
            f"  throttling: {'yes' if throttling >= THROTTLES else 'no'}, CPU time of a call"
            f" {first.cpu_us:.1f} us in the first minute, {last.cpu_us:.1f} in the last"
            f" ({throttling - 1:+.1%}); p50 {first.p50_us:.0f} and {last.p50_us:.0f} us,"
            f" p99 {first.p99_us:.0f} and {last.p99_us:.0f}"
        )
    if one.operators_said:
        lines.append(f"  operators: cannot tell, {one.operators_said}")
        return lines
    total = sum(operator.us for operator in one.operators) or 1.0
    lines.append("  operators, by the runtime's own profiler, us of one call and share:")
    slowest = sorted(one.operators, key=lambda operator: -operator.us)[:_MOST_OPERATORS]
    lines += [
        f"    {operator.us:>8.1f} {operator.us / total:>5.0%}  {operator.kind}  {operator.name.strip()}"
        for operator in slowest
    ]
    if len(one.operators) > len(slowest):
        lines.append(f"    and {len(one.operators) - len(slowest)} more")
    return lines


def _area(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
