"""Reconciliation reports as points: all of the schema, and no more."""

from __future__ import annotations

from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.reconcile.report import ReportDraft
from appliance.reconcile.sent_line import sent_point
from appliance.sinks.points import encode
from appliance.sinks.points_report import FIGURES, REPORT_SCHEMA, REPORT_SUBJECT
from tests.appliance.journal.builders import START_NS
from tests.appliance.sinks.way import DEVICE

TYPES = {"string": str, "integer": int, "boolean": bool}


def test_a_report_becomes_one_point_with_every_figure() -> None:
    draft = ReportDraft("ab12", "reconnect", START_NS, START_NS - 5)
    for number, name in enumerate(FIGURES):
        draft.count(name, number + 1)
    for number in range(400):
        draft.tell("audit", "features x", f"line {number}")
    report = draft.finished(START_NS + 7, complete=True)
    record = Record(
        sequence=9,
        record_class=RecordClass.ALARM,
        kind=RecordKind.AUDIT,
        key="reconciliation/ab12",
        subject=REPORT_SUBJECT,
        boot_id="b",
        monotonic_ns=1,
        time_ns=START_NS + 7,
        time_trusted=True,
        payload=report.encoded(50),
    )
    line = encode(record, DEVICE, "")
    assert line is not None
    point = sent_point(line)
    assert (point.series.measurement, point.series.tags) == ("reconciliation", (("device_id", DEVICE),))
    known = REPORT_SCHEMA["reconciliation"].fields
    assert set(point.fields) == set(known) - {"time_trusted", "time_resolved", "time_bound_s"}
    for name, value in point.fields.items():
        assert isinstance(value, TYPES[known[name].type]), name
    assert [point.fields[name] for name in FIGURES] == list(range(1, len(FIGURES) + 1))
    assert point.fields["agrees"] is False
    assert '"lines_left_out":350' in str(point.fields["document"])
    long = record._replace(payload=report.encoded())
    told = encode(long, DEVICE, "")
    assert told is not None
    assert ("document" in sent_point(told).fields) == (len(long.payload) <= 30_000)
