"""Captured waveforms as samples for Prometheus.

Duty: which figure belongs to which metric (`metrics.py` has their table). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.sinks.capture_courier import CaptureReport
from appliance.telemetry.metrics import Sample


def capture_samples(
    memory_bytes: int, waiting: int, failed: int, store: CaptureReport | None
) -> Iterator[Sample]:
    """All samples; `store` is how the way to the object store stands, None where there is none."""
    yield "stethos_capture_memory_bytes", (), memory_bytes
    yield "stethos_capture_waiting_parts", (), waiting
    yield "stethos_capture_failed_parts_total", (), failed
    if store is not None:
        yield "stethos_object_store_sent_bytes_total", (), store.delivered_bytes
        yield "stethos_object_store_today_bytes", (), store.spent_bytes
        yield "stethos_object_store_refused_parts", (), store.refused
