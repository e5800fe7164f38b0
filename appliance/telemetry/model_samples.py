"""Networks as samples for Prometheus.

Duty: which figure belongs to which metric (`metrics.py` has their table). Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

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
