"""The arrival audit and its newest report as the appliance page shows them.

Duty: from the audit's status to the view. Counts nothing itself.
"""

from __future__ import annotations

from appliance.reconcile.reconciler import AuditStatus
from appliance.reconcile.report import Report
from appliance.sinks.points_report import FIGURES
from web.schemas import (
    ReconciliationFigureView,
    ReconciliationLineView,
    ReconciliationReportView,
    ReconciliationView,
)

SHOWN_LINES = 20


def reconciliation_view(status: AuditStatus) -> ReconciliationView:
    """How both sides stand."""
    tally = status.tally
    return ReconciliationView(
        running=status.running,
        error=status.error,
        ended_ms=status.ended_ns / 1e6 if status.ended_ns else None,
        sent=tally.sent,
        confirmed=tally.confirmed,
        differing=tally.differing,
        cut_or_gone=tally.settled,
        report=None if status.report is None else _report_view(status.report),
    )


def _report_view(report: Report) -> ReconciliationReportView:
    return ReconciliationReportView(
        report_id=report.report_id,
        cause=report.cause,
        outage_from_ms=report.outage_from_ns / 1e6 if report.outage_from_ns else None,
        ended_ms=report.ended_ns / 1e6,
        agrees=report.agrees,
        text=report.text,
        figures=[
            ReconciliationFigureView(name=name, meaning=meaning, value=report.figures[name])
            for name, meaning in FIGURES.items()
            if report.figures[name]
        ],
        lines=[
            ReconciliationLineView(
                part=line.part, subject=line.subject, text=line.text, old=line.old, new=line.new
            )
            for line in report.lines[:SHOWN_LINES]
        ],
        lines_left_out=report.lines_left_out + len(report.lines[SHOWN_LINES:]),
    )
