"""Process values of an OPC UA server, by subscription.

Duty: connect, subscribe, translate each notification into a one-sample block, notice silence. One call of
`blocks` is one connection: when it is lost the whole client is thrown away and `SourceLost` is raised,
because the library's own reconnection can leave a subscription dead without a word. Reads only; never writes.

A server does not repeat a value that stays equal. While its keep-alives arrive, the last value is therefore
delivered again each `repeat_s`: the server vouches for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

import numpy as np
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.subscription import DataChangeEvent, StatusChangeEvent, Subscription

from appliance.sources.opcua_history import NoHistoryError, past_values, utc_ns
from appliance.sources.opcua_values import (
    OpcUaTag,
    ServerClock,
    ValueRefusedError,
    checked_value,
    quality_of,
)
from appliance.sources.source import LinkReport, LinkState, PastSample, SourceLost
from dsp.samples import Channel, Gap, GapCause, Quality, SampleBlock, SourceItem, TimeQuality

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 4.0
CLOSE_TIMEOUT_S = 1.0
QUEUE_SIZE = 64  # per item on the server; without it a server keeps only the newest value between publishes
SERVER_TIME = "i=2258"  # Server_ServerStatus_CurrentTime
OFFSET_DOUBT_NS = 100_000_000  # by which a server's time may be wrong here
TIME_READS, TIME_READ_S = 24, 0.05  # of a server that looks at its clock once a second, as some do
RECENT_STAMPS = 1_024  # source timestamps per channel that are known to have been delivered

_REFUSALS = (
    ua.uaerrors.BadUserAccessDenied,
    ua.uaerrors.BadIdentityTokenRejected,
    ua.uaerrors.BadIdentityTokenInvalid,
    ua.uaerrors.BadSecurityChecksFailed,
    ua.uaerrors.BadCertificateUntrusted,
    ua.uaerrors.BadSecurityPolicyRejected,
)


class NoPlainPasswordClient(Client):
    """A client that does not send a password which others on the network could read."""

    def _add_user_auth(
        self, params: ua.ActivateSessionParameters, username: str | None, password: str | None
    ) -> None:
        policy = self.server_policy(ua.UserTokenType.UserName)
        encrypted = bool(policy.SecurityPolicyUri) and not str(policy.SecurityPolicyUri).endswith("#None")
        if password and not encrypted:
            raise PermissionError("the server asks for the password in plain text")
        super()._add_user_auth(params, username, password)

    async def end(self) -> None:
        """End the session, whatever state it is in.

        Raises CancelledError where this task was told to end meanwhile: the library, which cancels tasks of
        its own then, keeps that to itself.
        """
        try:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.disconnect()
        finally:
            self.disconnect_socket()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


class OpcUaSource:
    """An OPC UA server's tags as a Source; counts and the last error survive reconnections."""

    def __init__(
        self,
        source_id: str,
        url: str,
        tags: tuple[OpcUaTag, ...],
        *,
        user: str = "",
        password: str = "",
        publish_interval_ms: int = 250,
        silence_s: float = 5.0,
        repeat_s: float = 1.0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.source_id = source_id
        self.channels: tuple[Channel, ...] = tuple(tag.channel for tag in tags)
        self._url = url
        self._tags = tags
        self._user = user
        self._password = password
        self._publish_interval_ms = publish_interval_ms
        self._silence_s = silence_s
        self._repeat_s = repeat_s
        self._monotonic_ns = monotonic_ns
        self._counts = dict.fromkeys(
            ("connections", "values", "repeated", "refused", "bad status", "from history"), 0
        )
        self._sequences = dict.fromkeys((tag.channel.channel_id for tag in tags), 0)
        self._last: dict[str, SampleBlock] = {}  # newest block per channel
        self._client: Client | None = None  # while the link stands
        self._clock = ServerClock()
        self._delivered: dict[str, deque[int]] = {
            tag.channel.channel_id: deque(maxlen=RECENT_STAMPS) for tag in tags
        }  # source timestamps, UTC
        self._without_value: set[str] = {tag.channel.channel_id for tag in tags}
        self._report = (LinkState.CONNECTING, "", "")
        self._note = ""  # what is wrong although the link stands

    def report(self) -> LinkReport:
        """State of the link, for an operator."""
        state, reason, remedy = self._report
        if state is LinkState.CONNECTED and self._note:
            reason, remedy = self._note, "Check the tag's node id, type and unit at the server."
        return LinkReport(self.source_id, "opcua", self._url, state, reason, remedy, dict(self._counts), {})

    async def history(self, channel_id: str, start_ns: int, end_ns: int) -> list[PastSample]:
        """What the server kept of a channel between two times of the host's monotonic clock, both excluded,
        without what was delivered live since the start. Raises SourceLost: no link, or no history."""
        client = self._client
        tag = next(one for one in self._tags if one.channel.channel_id == channel_id)
        if client is None:
            raise SourceLost(self.source_id, LinkState.LOST, "there is no link at present")
        delivered = set(self._delivered[channel_id])
        try:
            offset_ns = await self._server_offset_ns(client)
            known_from_ns = min(delivered, default=1 << 62) + offset_ns
            # What was delivered just before and after is left out by its stamp; what an earlier start
            # delivered has none here: then as much as the server's time may be wrong by is left out.
            if known_from_ns > start_ns:
                start_ns += OFFSET_DOUBT_NS
            until_ns = end_ns + OFFSET_DOUBT_NS * (1 if known_from_ns <= end_ns else -1)
            found = await past_values(client, tag, start_ns - offset_ns, until_ns - offset_ns)
        except (NoHistoryError, OSError, TimeoutError, ua.uaerrors.UaError, ValueError) as error:
            raise SourceLost(self.source_id, LinkState.REFUSED, f"no history of {error}") from error
        samples = [
            PastSample(one.source_ns, min(one.source_ns + offset_ns, end_ns - 1), one.value, one.quality)
            for one in found
            if one.source_ns not in delivered and one.source_ns + offset_ns > start_ns
        ]
        self._counts["from history"] += len(samples)
        return samples

    async def _server_offset_ns(self, client: Client) -> int:
        """The host's monotonic clock less the server's UTC. What a server says of its time is old by the way
        here and by how seldom it looks at its clock; a value, by how long it has stood: the least counts."""
        offsets_ns = [] if self._clock.offset_ns is None else [self._clock.offset_ns]
        stamps: set[int] = set()
        for _ in range(TIME_READS):  # until it moves: then it is new
            begin_ns = self._monotonic_ns()
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                stamps.add(utc_ns(await client.get_node(SERVER_TIME).read_value()))
            offsets_ns.append((begin_ns + self._monotonic_ns()) // 2 - max(stamps))
            if len(stamps) > 1:
                break
            await asyncio.sleep(TIME_READ_S)
        return min(offsets_ns)

    async def blocks(self) -> AsyncIterator[SourceItem]:
        """Blocks of one connection. Raises SourceLost when the server cannot be reached or falls silent."""
        self._set(LinkState.CONNECTING)
        # The library probes the server, too: by its default a box that stands still for 1 s loses the link.
        client = NoPlainPasswordClient(
            self._url,
            timeout=CONNECT_TIMEOUT_S,
            watchdog_intervall=CONNECT_TIMEOUT_S,
            auto_reconnect=False,
        )
        client.name = "Stethos"
        client.application_uri = "urn:stethos:appliance"
        client.set_user(self._user)
        client.set_password(self._password)
        # The library would recreate a silent subscription and so hide the silence; this class decides.
        client._stale_check_margin = math.inf
        try:
            subscription = await self._open(client)
            self._set(LinkState.CONNECTED)
            self._counts["connections"] += 1
            self._client = client
            async for item in self._follow(client, subscription):
                yield item
        except SourceLost:
            raise
        except (OSError, TimeoutError, ua.uaerrors.UaError, asyncio.IncompleteReadError, ValueError) as error:
            raise self._lost(error) from error
        finally:
            self._client = None
            await client.end()

    async def _open(self, client: Client) -> Subscription:
        async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
            await client.connect()
        parameters = ua.CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = self._publish_interval_ms
        # Three keep-alives must fit into the silence that counts as loss.
        keep_alive = max(1, int(self._silence_s * 1000 / self._publish_interval_ms / 3))
        parameters.RequestedMaxKeepAliveCount = keep_alive
        parameters.RequestedLifetimeCount = 10 * keep_alive
        parameters.MaxNotificationsPerPublish = 10_000
        parameters.PublishingEnabled = True
        subscription = await client.create_subscription(parameters, queue_maxsize=10_000)
        results = await subscription.subscribe_data_change(
            [client.get_node(tag.node) for tag in self._tags],
            queuesize=QUEUE_SIZE,
            sampling_interval=ua.Double(self._publish_interval_ms),
        )
        missing = [
            f"{tag.node} ({result.name})"
            for tag, result in zip(self._tags, results, strict=True)
            if isinstance(result, ua.StatusCode)
        ]
        self._note = f"the server does not give {', '.join(missing)}" if missing else ""
        if len(missing) == len(self._tags):
            raise SourceLost(
                self.source_id,
                *self._set(LinkState.REFUSED, self._note, "Check the node ids of this source."),
            )
        return subscription

    async def _follow(self, client: Client, subscription: Subscription) -> AsyncIterator[SourceItem]:
        clock = self._clock = ServerClock()
        tags = {client.get_node(tag.node).nodeid: tag for tag in self._tags}
        opened_s = time.monotonic()
        repeated_s = opened_s
        drained_is_due = False  # something fresh came: once nothing waits behind it, values are noted again
        quiet = (
            0  # looks in a row that found nothing: two, since after a stall the first finds its time-out over
        )
        silent_s, heard_s = 0.0, opened_s  # for how long was listened since anything was heard, and that time
        while True:
            event, fresh = None, False
            with contextlib.suppress(TimeoutError):  # its own time-out may lose a cancellation
                look_s, begin_s = 0.0 if drained_is_due else self._repeat_s / 4, time.monotonic()
                async with asyncio.timeout(look_s):
                    event = await subscription.next_event()
            if isinstance(event, StatusChangeEvent):
                raise SourceLost(
                    self.source_id,
                    *self._set(
                        LinkState.LOST,
                        f"the subscription ended ({event.notification.Status.name})",
                        "Check that the server runs, and the network between.",
                    ),
                )
            if isinstance(event, DataChangeEvent):
                for item in self._taken(tags[event.node.nodeid], event, clock):
                    fresh = self._monotonic_ns() - item.start_ns < self._repeat_s * 0.5e9
                    yield item
            now_s = time.monotonic()
            # A look that took twice as long as it should is one of a box that has no time: what it did not
            # find may still stand in the socket.
            in_time = now_s - begin_s < 2.0 * look_s
            quiet = quiet + 1 if event is None and in_time else 0
            # Of a look that took longer, the box itself stood still: that is no silence of the server.
            silent_s += min(now_s - begin_s, 2.0 * look_s)
            if (newest_s := subscription.last_publish_at or opened_s) != heard_s:
                silent_s, heard_s = 0.0, newest_s
            if silent_s > self._silence_s:
                raise SourceLost(
                    self.source_id,
                    *self._set(
                        LinkState.LOST,
                        f"neither data nor keep-alive for {self._silence_s:g} s",
                        "Check the server and the network between.",
                    ),
                )
            # While newer values still wait to be taken, the last one taken is not what the server shows now:
            # not even after a fresh one, for after a stall all of one tag come, then all of the next.
            due = now_s - repeated_s >= self._repeat_s
            if due and (quiet >= 2 or (drained_is_due and event is None)):
                repeated_s, due = now_s, False
                for block in self._repeats():
                    yield block
            drained_is_due = due and fresh

    def _taken(self, tag: OpcUaTag, event: DataChangeEvent, clock: ServerClock) -> list[SourceItem]:
        """What one notification is worth: a block, after a gap if there was none for a while; or nothing."""
        arrival_ns = self._monotonic_ns()
        data = event.data.monitored_item.Value
        channel_id = tag.channel.channel_id
        quality = (
            Quality.BAD if data is None else quality_of(int(data.StatusCode.value) if data.StatusCode else 0)
        )
        if data is None or quality is Quality.BAD:
            self._counts["bad status"] += 1
            self._without_value.add(channel_id)
            name = data.StatusCode.name if data is not None and data.StatusCode else "no value"
            self._note = f"{tag.node} has no good value ({name})"
            return []
        try:
            value = checked_value(tag, event.value)
        except ValueRefusedError as error:
            self._counts["refused"] += 1
            self._without_value.add(channel_id)
            self._note = str(error)
            logger.warning("value refused source=%s reason=%s", self.source_id, error)
            return []
        stamp = data.SourceTimestamp or data.ServerTimestamp
        start_ns = clock.host_ns(None if stamp is None else utc_ns(stamp), arrival_ns)
        self._counts["values"] += 1
        if data.SourceTimestamp is not None:
            self._delivered[channel_id].append(utc_ns(data.SourceTimestamp))
        return self._block(tag.channel, value, start_ns, quality)

    def _block(self, channel: Channel, value: float, start_ns: int, quality: Quality) -> list[SourceItem]:
        channel_id = channel.channel_id
        before = self._last.get(channel_id)
        items: list[SourceItem] = []
        if before is not None:
            start_ns = max(start_ns, before.start_ns + 1)  # time never runs backwards within a channel
            if channel_id in self._without_value:
                items.append(Gap(channel_id, before.start_ns, start_ns, GapCause.OPCUA_DOWN))
        self._without_value.discard(channel_id)
        if not self._without_value:
            self._note = ""
        self._sequences[channel_id] += 1
        block = SampleBlock(
            channel_id,
            self._sequences[channel_id],
            start_ns,
            TimeQuality.FITTED,
            0.0,
            np.array([value], np.float32),
            quality,
        )
        self._last[channel_id] = block
        return [*items, block]

    def _repeats(self) -> list[SourceItem]:
        """The last value again of every tag that was not heard of for a while and that still has one."""
        now_ns = self._monotonic_ns()
        items: list[SourceItem] = []
        for tag in self._tags:
            last = self._last.get(tag.channel.channel_id)
            if last is None or tag.channel.channel_id in self._without_value:
                continue
            if now_ns - last.start_ns >= self._repeat_s * 1e9:
                self._counts["repeated"] += 1
                items.extend(self._block(tag.channel, float(last.samples[0]), now_ns, last.quality))
        return items

    def _set(self, state: LinkState, reason: str = "", remedy: str = "") -> tuple[LinkState, str, str]:
        if state is not LinkState.CONNECTED and state is not LinkState.CONNECTING:
            self._without_value = {channel.channel_id for channel in self.channels}
        if state is LinkState.CONNECTING and self._report[0] is not LinkState.CONNECTED:
            return self._report  # while it is tried again, the operator keeps reading why it failed
        self._report = (state, reason, remedy)
        return self._report

    def _lost(self, error: Exception) -> SourceLost:
        """The link state that a foreign error means."""
        was_connected = self._report[0] is LinkState.CONNECTED
        if isinstance(error, (*_REFUSALS, PermissionError)):
            told = self._set(
                LinkState.REFUSED,
                f"the server refuses this appliance: {error}",
                "Check user, password and security of this source and of the server.",
            )
        elif isinstance(error, OSError | TimeoutError) and not was_connected:
            told = self._set(
                LinkState.NOT_FOUND,
                f"nothing answers at {self._url} ({type(error).__name__})",
                "Check that the server runs, its address, and the network between.",
            )
        else:
            told = self._set(LinkState.LOST, f"{type(error).__name__}: {error}", "Check the server.")
        return SourceLost(self.source_id, *told)
