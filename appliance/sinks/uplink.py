"""What goes out to the centre, by class and day, and what it may be: a metered line.

Duty: the account of bytes, the daily budgets, the ratio of what came in from the sensors to what went out.
Pure: the day and the counts are arguments; the courier's file keeps the account (`outbox`), with the cursors,
so that a restart gives no second budget. Alarms have no budget: they always go.

Counted are the bodies of all requests as they are sent (packed), repeated and refused ones, too; not TLS,
headers, answers and the questions of the audit. Samples are counted with the two bytes that each has on the
sensor's line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appliance.journal.record import RecordClass

SAMPLE_BYTES = 2
DAYS_KEPT = 40
_SPENT, _SENT, _RAW, _SAMPLES = "spent", "sent", "raw", "samples"


@dataclass(frozen=True, slots=True)
class UplinkReport:
    """Bytes by class since the account was begun, those of today, budgets a day, raw bytes since then."""

    sent: Mapping[RecordClass, int]
    today: Mapping[RecordClass, int]
    budgets: Mapping[RecordClass, int]
    raw_bytes: int

    @property
    def sent_bytes(self) -> int:
        """Of all classes."""
        return sum(self.sent.values())

    @property
    def stayed_ratio(self) -> float | None:
        """Share of the raw bytes that did not go out, 0 to 1; None before there are any."""
        return None if self.raw_bytes == 0 else max(0.0, 1.0 - self.sent_bytes / self.raw_bytes)

    @property
    def text(self) -> str:
        """In words: what stayed, and which class waits for tomorrow."""
        parts = []
        if self.stayed_ratio is not None:
            parts.append(
                f"{_size(self.raw_bytes)} in, {_size(self.sent_bytes)} out: "
                f"{_percent(self.stayed_ratio)} % stayed"
            )
        for record_class, budget in self.budgets.items():
            spent = self.today.get(record_class, 0)
            used = f"{record_class}: {_size(spent)} of {_size(budget)} of today sent"
            parts.append(f"{used}, the rest waits for tomorrow" if spent >= budget else used)
        return "; ".join(parts)


class Uplink:
    """The account of one way out. One thread adds to it; reading is safe from any."""

    def __init__(
        self,
        budgets: Mapping[RecordClass, int] | None = None,
        day: Callable[[], str] = str,
        stored: Mapping[str, int] | None = None,
    ) -> None:
        """`budgets`: bytes a day; a class that has none, and alarms, are not bounded. `day` names today
        (UTC); `stored` is what `account` once gave."""
        given = budgets or {}
        self._budgets = dict(given)
        self._budgets.pop(RecordClass.ALARM, None)
        self._day = day
        self._account = dict(stored or {})

    def may_send(self, record_class: RecordClass) -> bool:
        """Whether today's budget of the class has room; it is passed by one request at most."""
        budget = self._budgets.get(record_class)
        return budget is None or self._spent(record_class) < budget

    def sent(self, record_class: RecordClass, n_bytes: int) -> None:
        """A body was sent, or was about to be: it may have crossed the line."""
        for name in (f"{_SPENT}/{self._day()}/{record_class}", f"{_SENT}/{record_class}"):
            self._account[name] = self._account.get(name, 0) + n_bytes

    def samples_are(self, total: float) -> None:
        """The count of samples since ever. What was counted before this account was begun is not its own."""
        known = self._account.get(_SAMPLES)
        if known is not None and total > known:
            self._account[_RAW] = self._account.get(_RAW, 0) + round(total - known) * SAMPLE_BYTES
        self._account[_SAMPLES] = round(total)

    def account(self) -> dict[str, int]:
        """What is to be stored; days long past are in it no more."""
        days = sorted({name.split("/")[1] for name in self._account if name.startswith(f"{_SPENT}/")})
        for day in days[:-DAYS_KEPT]:
            for record_class in RecordClass:
                self._account.pop(f"{_SPENT}/{day}/{record_class}", None)
        return dict(self._account)

    def report(self) -> UplinkReport:
        """How it stands."""
        account = dict(self._account)
        return UplinkReport(
            sent={
                one: account[f"{_SENT}/{one}"] for one in RecordClass if account.get(f"{_SENT}/{one}", 0) > 0
            },
            today={one: self._spent(one) for one in RecordClass},
            budgets=dict(self._budgets),
            raw_bytes=account.get(_RAW, 0),
        )

    def _spent(self, record_class: RecordClass) -> int:
        return self._account.get(f"{_SPENT}/{self._day()}/{record_class}", 0)


def _size(n_bytes: int) -> str:
    """Bytes in the unit that matters: "12.4 GB"."""
    size = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000.0
    return f"{size:,.1f} TB"


def _percent(ratio: float) -> str:
    """Never rounded up to all of it."""
    return f"{int(ratio * 10_000) / 100:.2f}"
