"""All that the web floor may see of the appliance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from web.health_schemas import ApplianceHealthView
from web.limit_schemas import LimitChange, LimitsView, LimitVersionView
from web.schemas import (
    AlarmTransitionView,
    AlarmView,
    ApplianceView,
    DeadLetterPage,
    MachineDetail,
    MachineSummary,
    SpectrumView,
)
from web.trend_schemas import TrendView


class UnknownIdError(LookupError):
    """Nothing has this id. `args[0]` names it; `known` lists what there is."""

    def __init__(self, what: str, known: list[str]) -> None:
        super().__init__(what)
        self.known = known


class StaleAcknowledgementError(Exception):
    """The acknowledgement names an activation that is not the present one, or there is none to give."""


class LimitRefusedError(Exception):
    """A limit cannot be changed so: `args[0]` says why, `remedy` what would be right."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class NotPossibleError(Exception):
    """It cannot be done at present, for the reason that `args[0]` states; it may be later."""


@dataclass(frozen=True, slots=True)
class LiveUpdate:
    """One server-sent event. Alarm transitions carry their journal sequence; the rest is latest-only."""

    event: Literal["alarm", "machines", "machine", "appliance"]
    data: AlarmTransitionView | list[MachineSummary] | MachineDetail | ApplianceView
    sequence: int | None = None


class HealthProvider(Protocol):
    """The health of the appliance itself, for its page and for a scraper."""

    def health(self) -> ApplianceHealthView:
        """Stages, scores, errors, load, temperatures, disk, wear, clock, links."""
        ...

    def metrics(self) -> bytes:
        """The same as Prometheus text exposition format 0.0.4, UTF-8; rendered at most once a second."""
        ...


class StationView(Protocol):
    """The appliance as a person sees it. Methods raise UnknownIdError for ids that do not exist."""

    def machines(self) -> list[MachineSummary]: ...

    def machine(self, asset_id: str) -> MachineDetail: ...

    def spectrum(self, channel_id: str, kind: Literal["amplitude", "envelope"]) -> SpectrumView | None: ...

    async def trend(
        self, channel_id: str, feature: str, start_ms: float | None, end_ms: float | None, max_points: int
    ) -> TrendView: ...

    async def alarms(self, include_closed: bool, limit: int) -> list[AlarmView]: ...

    async def alarm_history(self, alarm_id: str) -> list[AlarmTransitionView]: ...

    async def acknowledge(self, alarm_id: str, activation: int, user: str, comment: str) -> AlarmView:
        """Returns after the acknowledgement is durable. Raises StaleAcknowledgementError."""
        ...

    async def shelve(self, alarm_id: str, activation: int, user: str, hours: float, reason: str) -> AlarmView:
        """Shelved for so long, 0: not any more; once that is durable. Raises StaleAcknowledgementError."""
        ...

    def limits(self, asset_id: str) -> LimitsView: ...

    async def limit_history(self, asset_id: str, limit: int) -> list[LimitVersionView]:
        """Versions of the machine's limits, the latest first. Raises NotPossibleError."""
        ...

    async def change_limits(self, asset_id: str, change: LimitChange, user: str) -> LimitsView:
        """Returns after the change is durable and in service. Raises LimitRefusedError, NotPossibleError."""
        ...

    def appliance(self) -> ApplianceView: ...

    async def dead_letters(self, destination: str | None, offset: int, limit: int) -> DeadLetterPage:
        """What receivers refused for good, the latest refusal first. Raises NotPossibleError."""
        ...

    async def redrive(self, destination: str, letter_ids: list[str] | None, user: str) -> int:
        """Lets dead letters (None: all of the destination) be sent again; how many were dead until now.

        Once more for the same ones changes nothing. Raises NotPossibleError.
        """
        ...

    def updates(self, after_sequence: int | None) -> AsyncIterator[LiveUpdate]:
        """Alarm transitions after that sequence, none missed, and latest states about once a second.

        None means from now on. One iterator per open page; a slow page leaves it waiting between two updates,
        so it must follow the journal by its sequence rather than collect what the page has not taken. The
        same object in `data` for all iterators is encoded once for all pages.
        """
        ...
