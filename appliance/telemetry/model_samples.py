"""Networks as samples for Prometheus.

Duty: which figure belongs to which metric (`metrics.py` has their table). Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from appliance.model_shadow import ShadowReport
from appliance.telemetry.distribution import Distribution
from appliance.telemetry.metrics import Sample


def model_samples(
    slot: str,
    *,
    latency: Distribution,
    answers: Counter[str],
    starts: Counter[str],
    fallbacks: int,
    first_choice: bool | None,
) -> Iterator[Sample]:
    """All samples of one slot; `first_choice` whether it answers, None where no network is wanted."""
    yield "stethos_network_latency_seconds", (slot,), latency
    for backend, rows in sorted(answers.copy().items()):
        yield "stethos_network_answers_total", (slot, backend), rows
    for backend, times in sorted(starts.copy().items()):
        yield "stethos_network_process_starts_total", (slot, backend), times
    yield "stethos_network_fallbacks_total", (slot,), fallbacks
    yield "stethos_network_first_choice", (slot,), None if first_choice is None else float(first_choice)


def shadow_samples(slot: str, shadow: ShadowReport) -> Iterator[Sample]:
    """How far a slot's shadow says other things than what judged, since it was begun.

    Which bundle it is stands in no label: their number is not bounded. `stethos models shadow` tells it.
    """
    yield "stethos_shadow_windows_total", (slot,), shadow.windows
    for over, windows in (
        ("both", shadow.both_over),
        ("only active", shadow.only_active_over),
        ("only shadow", shadow.only_shadow_over),
    ):
        yield "stethos_shadow_over_limit_total", (slot, over), windows
    if shadow.windows:
        yield "stethos_shadow_score_mean", (slot, "active"), shadow.mean_active
        yield "stethos_shadow_score_mean", (slot, "shadow"), shadow.mean_shadow
    yield "stethos_shadow_correlation", (slot,), shadow.correlation
    yield "stethos_shadow_unanswered_total", (slot,), shadow.unanswered
    yield "stethos_shadow_dropped_total", (slot,), shadow.dropped
