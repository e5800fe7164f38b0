"""How far each sink has taken over the journal's records, and what may leave therefore.

Duty: one mark per sink and class (the sequence up to which the sink needs the journal no more), and the
minimum that retention asks for. Pure; the books save the marks, so that a restart goes on with them. What a
crash forgets of them is marked again, which changes nothing.

A sink *keeps* a class if it takes all of its records (the centre): only then is what it has confirmed sent.
Others hold records back until they have taken what they want (a webhook, which copies the messages it must
send into its own file): they never let anything leave by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from appliance.journal.record import RecordClass, SinkClaim

NOBODY = -1  # no sink has ever asked for records of the class


class Deliveries:
    """The marks of all sinks. Marks may be set in one thread and asked for in another."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, RecordClass], int] = {}
        self._claims: dict[str, SinkClaim] | None = None  # None: nobody has said yet what is configured

    def sinks_are(self, claims: Mapping[str, SinkClaim]) -> None:
        """These are configured, and no others: the marks of those that are gone are forgotten."""
        known = dict(self._marks)
        self._marks = {(sink, one): mark for (sink, one), mark in known.items() if sink in claims}
        self._claims = dict(claims)

    def mark(self, sink: str, record_class: RecordClass, sequence: int) -> None:
        """The sink needs nothing of the class up to here. A lower one than before counts, too: what a sink
        has lost it wants again, as far as it is still there."""
        self._marks[sink, record_class] = sequence

    def confirmed(self, record_class: RecordClass) -> int:
        """Up to here every sink that wants the class needs it no more; NOBODY where none wants it."""
        marks, claims = dict(self._marks), self._claims
        if claims is None:
            found = [mark for (_, one), mark in marks.items() if one is record_class]
        else:
            found = [
                marks.get((sink, record_class), NOBODY)
                for sink, claim in claims.items()
                if record_class in claim.classes
            ]
        return min(found, default=NOBODY)

    def sent(self, record_class: RecordClass) -> int:
        """Up to here the class is sent: `confirmed`, and kept by one sink at least; else NOBODY.

        NOBODY, too, until the configured sinks are known: what a sink holds back must not leave before it
        could say so.
        """
        claims = self._claims or {}
        if not any(claim.keeps and record_class in claim.classes for claim in claims.values()):
            return NOBODY
        return self.confirmed(record_class)

    def rows(self) -> list[tuple[str, RecordClass, int]]:
        """All marks, to be saved."""
        return [(sink, record_class, mark) for (sink, record_class), mark in dict(self._marks).items()]

    def restore(self, rows: Iterable[tuple[str, RecordClass, int]]) -> None:
        """Take up saved marks, as far as the sink has not said better since the start."""
        for sink, record_class, mark in rows:
            if self._claims is None or sink in self._claims:
                self._marks.setdefault((sink, record_class), mark)
