"""The account of the way to the centre as samples for Prometheus.

Duty: which figure of the account belongs to which metric (`metrics.py` has their table). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.sinks.uplink import UplinkReport
from appliance.telemetry.metrics import Sample


def uplink_samples(report: UplinkReport) -> Iterator[Sample]:
    """All samples."""
    yield "stethos_raw_bytes_total", (), report.raw_bytes
    for record_class, n_bytes in report.sent.items():
        yield "stethos_central_sent_bytes_total", (str(record_class),), n_bytes
        yield "stethos_central_day_bytes", (str(record_class),), report.today.get(record_class, 0)
    for record_class, budget in report.budgets.items():
        yield "stethos_central_day_budget_bytes", (str(record_class),), budget
    yield "stethos_stayed_ratio", (), report.stayed_ratio
