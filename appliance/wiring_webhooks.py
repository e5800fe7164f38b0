"""Builds the senders of webhooks from their settings.

Duty: units, files and what each sender is given. Holds no logic of any part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance.alarms.lifecycle import Severity
from appliance.clock import Clock
from appliance.config_webhooks import WebhookSettings
from appliance.dead_letters import WebhookLetters
from appliance.errors import Fatal, Rejected
from appliance.journal.journal import Journal
from appliance.journal.record import SinkClaim
from appliance.sinks.webhook import HOLDS_BACK, WebhookReport, WebhookSink
from appliance.sinks.webhook_message import Choice
from appliance.sinks.webhook_post import Endpoint, WebhookPost
from appliance.sinks.webhook_queue import BACKOFF, Schedule
from appliance.sinks.webhook_store import WebhookStore
from appliance.sinks.webhook_targets import parse_target
from appliance.sources.source import LinkReport, LinkState
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from appliance.telemetry.measured_ways import MeasuredPost
from appliance.telemetry.stage_meter import Meters


class Webhooks:
    """The built senders: `supervise` them, `close` at the end."""

    def __init__(
        self,
        settings: Sequence[WebhookSettings],
        folder: Path,
        *,
        appliance: str,
        asset_names: Mapping[str, str],
        journal: Journal,
        clock: Clock,
        watch: SystemWatch,
        meters: Meters | None = None,
    ) -> None:
        """`folder`: of the senders' file. Raises Fatal where it, a URL or certificates cannot be used."""
        self._watch = watch
        self._store = WebhookStore.open(folder) if settings else None
        self.sinks = [] if self._store is None else [
            WebhookSink(
                hook.name,
                MeasuredPost(build_post(hook).endpoint, (meters or Meters()).webhook(hook.name)),
                log=journal,
                store=self._store,
                clock=clock,
                choice=Choice(Severity(hook.min_severity), frozenset(hook.kinds)),
                schedule=Schedule(BACKOFF, hook.give_up_after_h * 3600.0),
                appliance=appliance,
                asset_names=asset_names,
                tell=watch.webhook_state,
            )
            for hook in settings
        ]  # fmt: skip
        for sink in self.sinks:
            watch.desk.listen(sink.alarm_held)

        self.letters = [WebhookLetters(folder, sink.name, sink.report) for sink in self.sinks]

    def claims(self) -> dict[str, SinkClaim]:
        """What the receivers hold back in the journal, by their names there."""
        return {sink.claimant: HOLDS_BACK for sink in self.sinks}

    def supervise(self, supervisor: Supervisor) -> None:
        """One task per receiver, and one that ends alarms of receivers that are configured no more."""
        names = [sink.name for sink in self.sinks]
        supervisor.add("webhooks", lambda: self._watch.webhooks_are(names))
        for sink in self.sinks:
            supervisor.add(f"webhook {sink.name}", sink.run)

    def reports(self) -> list[LinkReport]:
        """The receivers as lines of the appliance page."""
        return [link_report(sink.report()) for sink in self.sinks]

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


def link_report(report: WebhookReport) -> LinkReport:
    """A receiver's state in the words of a link."""
    remedy = ""
    if report.dead_letters:
        remedy = "It refused messages for good: see below under Refused, remove the reason, send them again."
    return LinkReport(
        report.name,
        "webhook",
        report.address,
        LinkState.LOST if report.failing else LinkState.CONNECTED,
        report.reason,
        remedy,
        {
            "delivered": report.delivered,
            "waiting": report.waiting,
            "failed_attempts": report.failed_attempts,
            "dead_letters": report.dead_letters,
            "dead_letters_dropped": report.dead_letters_dropped,
        },
        {"oldest_s": report.oldest_s},
    )


def build_post(hook: WebhookSettings) -> WebhookPost:
    """What posts to one receiver. Raises Fatal."""
    try:
        target = parse_target(hook.url, allow_http=hook.allow_http, allow_local=hook.allow_local)
    except Rejected as error:
        raise Fatal(f"webhook {hook.name}: {error}") from error
    return WebhookPost(Endpoint(target, hook.secret_file, hook.ca_file, hook.timeout_s))
