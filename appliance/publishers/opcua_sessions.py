"""Sessions and subscriptions of the OPC UA server, within bounds and apart from one another.

Duty: what a client that has come in may hold and reach. asyncua 2.1.0 takes any publishing interval, bounds
neither monitored items nor subscriptions per session, lets a session delete or read another's subscription,
numbers its secret tokens, and answers Republish of an unknown message with an empty one, which sends some
clients round in circles. Nothing can be written from outside. Who comes in is `opcua_doors`' duty.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.status_codes import StatusCodes

SHORTEST_PUBLISH_MS = 100.0
LONGEST_PUBLISH_MS = 3_600_000.0
_NOT_WRITABLE = ua.StatusCode(ua.UInt32(StatusCodes.BadNotWritable))
_NO_HISTORY = ua.StatusCode(ua.UInt32(StatusCodes.BadHistoryOperationUnsupported))
_NO_SUBSCRIPTION = ua.StatusCode(ua.UInt32(StatusCodes.BadSubscriptionIdInvalid))


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much there may be at once."""

    sessions: int = 100
    sessions_per_address: int = 60
    subscriptions_per_session: int = 10
    monitored_items: int = 10_000  # of all sessions together
    queue: int = 20  # values kept per monitored item between two publishes
    unacknowledged: int = 20  # messages kept per subscription for Republish


class Subscriptions(SubscriptionService):
    """Subscriptions within bounds."""

    def __init__(self, server: InternalServer, bounds: Bounds) -> None:
        super().__init__(server.aspace, iserver=server)
        self._bounds = bounds

    def of(self, session_id: ua.NodeId) -> list[InternalSubscription]:
        """Those of one session."""
        return [one for one in self.subscriptions.values() if one.session_id == session_id]

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        if len(self.of(session_id)) >= self._bounds.subscriptions_per_session:
            raise ServiceError(StatusCodes.BadTooManySubscriptions)
        asked_ms = float(params.RequestedPublishingInterval)
        asked_ms = asked_ms if math.isfinite(asked_ms) else SHORTEST_PUBLISH_MS
        params.RequestedPublishingInterval = min(max(asked_ms, SHORTEST_PUBLISH_MS), LONGEST_PUBLISH_MS)
        return await super().create_subscription(params, callback, session_id, request_callback)

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        held = sum(len(one.monitored_item_srv._monitored_items) for one in self.subscriptions.values())
        if held + len(params.ItemsToCreate) > self._bounds.monitored_items:
            raise ServiceError(StatusCodes.BadTooManyMonitoredItems)
        return await super().create_monitored_items(params)

    def modify_monitored_items(
        self, params: ua.ModifyMonitoredItemsParameters
    ) -> list[ua.MonitoredItemModifyResult]:
        for item in params.ItemsToModify:
            asked = item.RequestedParameters.QueueSize
            item.RequestedParameters.QueueSize = ua.UInt32(min(max(int(asked), 1), self._bounds.queue))
        return super().modify_monitored_items(params)

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        one = self.subscriptions.get(params.SubscriptionId)
        if one is None:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        if params.RetransmitSequenceNumber not in one._not_acknowledged_results:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        return super().republish(params)


class ReadingSession(InternalSession):
    """A session that reads only, and reaches only its own subscriptions."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.external:
            self.iserver.unregister_external_session(self)
            self.auth_token = ua.NodeId(
                ua.ByteString(secrets.token_bytes(32)), ua.Int16(0), ua.NodeIdType.ByteString
            )
            self.iserver.register_external_session(self)

    def _own(self, subscription_id: int) -> None:
        one = self.subscription_service.subscriptions.get(subscription_id)
        if self.external and (one is None or one.session_id != self.session_id):
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        if not self.external:
            return await super().write(params)
        return [_NOT_WRITABLE for _ in params.NodesToWrite]

    async def history_read(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """None is kept here: an empty answer that is called good would say that there was nothing."""
        return [ua.HistoryReadResult(StatusCode=_NO_HISTORY) for _ in params.NodesToRead]

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        self._own(params.SubscriptionId)
        return await super().create_monitored_items(params)

    async def modify_monitored_items(
        self, params: ua.ModifyMonitoredItemsParameters
    ) -> list[ua.MonitoredItemModifyResult]:
        self._own(params.SubscriptionId)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        self._own(params.SubscriptionId)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        self._own(params.SubscriptionId)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: ua.SetPublishingModeParameters) -> list[ua.StatusCode]:
        for subscription_id in params.SubscriptionIds:
            self._own(subscription_id)
        return await super().set_publishing_mode(params)

    def modify_subscription(self, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        self._own(params.SubscriptionId)
        return super().modify_subscription(params)

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        self._own(params.SubscriptionId)
        return super().republish(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        own = {one.data.SubscriptionId for one in self._subscriptions()}
        if not self.external:
            return await super().delete_subscriptions(ids)
        done = dict(zip(
            [i for i in ids if i in own],
            await super().delete_subscriptions([i for i in ids if i in own]),
            strict=True,
        ))  # fmt: skip
        return [done.get(i, _NO_SUBSCRIPTION) for i in ids]

    def publish(
        self, acks: Iterable[ua.SubscriptionAcknowledgement] | None = None
    ) -> tuple[int, list[ua.StatusCode]]:
        own = {one.data.SubscriptionId: one for one in self._subscriptions()}
        if not own:
            raise ServiceError(StatusCodes.BadNoSubscription)
        results = []
        for ack in acks or ():
            one = own.get(ack.SubscriptionId)
            if one is not None:
                one.publish([ack.SequenceNumber])
            results.append(_NO_SUBSCRIPTION if one is None else ua.StatusCode())
        return len(own), results

    def _subscriptions(self) -> list[InternalSubscription]:
        service = self.subscription_service
        return service.of(self.session_id) if isinstance(service, Subscriptions) else []
