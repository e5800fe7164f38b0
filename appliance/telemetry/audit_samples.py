"""The arrival audit as samples for Prometheus.

Duty: which figure of the audit's status belongs to which metric (`metrics.py` has their table). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.reconcile.reconciler import AuditStatus
from appliance.telemetry.metrics import Sample


def audit_samples(status: AuditStatus, questions: int, answer_bytes: int) -> Iterator[Sample]:
    """All samples; `questions` asked since the start of the service, and bytes of their answers."""
    tally = status.tally
    for state, points in (
        ("sent", tally.sent),
        ("confirmed", tally.confirmed),
        ("differing", tally.differing),
        ("cut or gone", tally.settled),
    ):
        yield "stethos_audit_points", (state,), points
    yield "stethos_audit_conflicts", (), tally.alarming
    yield "stethos_audit_rounds_total", (), status.rounds
    yield "stethos_audit_resent_records_total", (), status.records_resent
    yield "stethos_audit_repaired_slots_total", (), status.slots_repaired
    yield "stethos_audit_questions_total", (), questions
    yield "stethos_audit_answer_bytes_total", (), answer_bytes
    ended_s = status.ended_ns / 1e9 if status.ended_ns else None
    yield "stethos_audit_last_round_timestamp_seconds", (), ended_s
