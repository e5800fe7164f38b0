"""Large requests: refused over the published limits, and within them nobody else waits for their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from asyncua import Client, ua
from asyncua.ua.uaerrors import UaError

from appliance.publishers.opcua_limits import MOST_PATH_ELEMENTS
from appliance.publishers.opcua_sessions import Bounds
from tests.appliance.publishers.opcua_rig import RMS, good, serving
from tests.appliance.publishers.test_opcua_doors import client_of

NODE = ua.NodeId(ua.String(RMS), ua.Int16(2))


def read_of(n: int) -> ua.ReadParameters:
    return ua.ReadParameters(NodesToRead=[ua.ReadValueId(NodeId=NODE, AttributeId=ua.AttributeIds.Value)] * n)


def browse_of(n: int) -> ua.BrowseParameters:
    one = ua.BrowseDescription(
        NodeId=ua.NodeId(ua.ObjectIds.ObjectsFolder),
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
        IncludeSubtypes=True,
        ResultMask=ua.BrowseResultMask.All,
    )
    return ua.BrowseParameters(NodesToBrowse=[one] * n)


def path_of(n_elements: int) -> ua.BrowsePath:
    element = ua.RelativePathElement(
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
        IncludeSubtypes=True,
        IsInverse=False,
        TargetName=ua.QualifiedName("Server", 0),
    )
    return ua.BrowsePath(
        StartingNode=ua.NodeId(ua.ObjectIds.ObjectsFolder),
        RelativePath=ua.RelativePath(Elements=[element] * n_elements),
    )


def items_of(subscription_id: int, n: int) -> ua.CreateMonitoredItemsParameters:
    return ua.CreateMonitoredItemsParameters(
        SubscriptionId=subscription_id,
        TimestampsToReturn=ua.TimestampsToReturn.Both,
        ItemsToCreate=[
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(NodeId=NODE, AttributeId=ua.AttributeIds.Value),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(
                    ClientHandle=number, SamplingInterval=100.0, QueueSize=1, DiscardOldest=True
                ),
            )
            for number in range(n)
        ],
    )


class _Counting:
    def __init__(self) -> None:
        self.changes = 0

    def datachange_notification(self, node: object, value: object, data: object) -> None:
        self.changes += 1


async def limit(client: Client, name: str) -> int:
    node_id = getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}")
    return int(await client.get_node(ua.NodeId(node_id)).read_value())


async def test_what_is_published_is_what_is_enforced(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua") as rig, client_of(rig, tmp_path / "client") as client:
        rig.server.publish([good(RMS, 1.5)])
        ask = client.uaclient
        subscription = await client.create_subscription(500, _Counting())
        number = subscription.subscription_id
        asked: list[tuple[str, Callable[[int], Awaitable[object]]]] = [
            ("MaxNodesPerRead", lambda n: ask.read(read_of(n))),
            ("MaxNodesPerBrowse", lambda n: ask.browse(browse_of(n))),
            (
                "MaxNodesPerTranslateBrowsePathsToNodeIds",
                lambda n: ask.translate_browsepaths_to_nodeids([path_of(1)] * n),
            ),
            ("MaxMonitoredItemsPerCall", lambda n: ask.create_monitored_items(items_of(number, n))),
            (
                "MaxMonitoredItemsPerCall",
                lambda n: ask.delete_monitored_items(
                    ua.DeleteMonitoredItemsParameters(number, [*range(1, n + 1)])
                ),
            ),
            ("MaxNodesPerRegisterNodes", lambda n: ask.register_nodes([NODE] * n)),
            ("MaxNodesPerRegisterNodes", lambda n: ask.unregister_nodes([NODE] * n)),
        ]
        for name, request in asked:
            most = await limit(client, name)
            assert most >= 100
            with pytest.raises(UaError, match="BadTooManyOperations"):
                await request(most + 1)
            await request(most)
        with pytest.raises(UaError, match="BadTooManyOperations"):
            await ask.translate_browsepaths_to_nodeids([path_of(1), path_of(MOST_PATH_ELEMENTS + 1)])
        with pytest.raises(UaError, match="BadRequestTooLarge"):
            await ask.register_nodes([ua.NodeId(ua.String("x" * 1_000), ua.Int16(2))] * 300)
        assert await client.nodes.objects.get_children()  # the session goes on


async def test_an_answer_in_slices_is_the_whole_answer_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path / "ua") as rig, client_of(rig, tmp_path / "client") as client:
        ids = [child.nodeid for child in await client.get_node(ua.NodeId(ua.ObjectIds.Server)).get_children()]
        unknown = ua.NodeId(ua.String("nothing"), ua.Int16(2))
        wanted = [*ids, unknown] * (900 // (len(ids) + 1))
        values = await client.uaclient.read(
            ua.ReadParameters(NodesToRead=[ua.ReadValueId(NodeId=one, AttributeId=3) for one in wanted])
        )
        assert len(wanted) > 250
        names = [await client.get_node(one).read_browse_name() for one in ids]
        told = [value.Value.Value if value.Value is not None else None for value in values]
        assert told[: len(ids)] == names
        assert told[-len(ids) - 1 : -1] == names
        assert [v.StatusCode.is_good() for v in values] == [one is not unknown for one in wanted]  # type: ignore[union-attr]
        folders = await client.uaclient.browse(browse_of(9))
        assert len({tuple(str(ref.NodeId) for ref in one.References) for one in folders}) == 1
        assert len(folders) == 9 and len(folders[0].References) >= 3
        paths = await client.uaclient.translate_browsepaths_to_nodeids([path_of(1)] * 33)
        assert [one.Targets[0].TargetId for one in paths] == [ua.NodeId(ua.ObjectIds.Server)] * 33
        assert await client.uaclient.read(ua.ReadParameters()) == []


async def test_items_beyond_what_the_server_holds_are_refused_one_by_one(tmp_path: Path) -> None:
    """More than a slice of them: what was granted is told and delivers, the rest says why not."""
    async with (
        serving(tmp_path / "ua", bounds=Bounds(monitored_items=70)) as rig,
        client_of(rig, tmp_path / "client") as client,
    ):
        rig.server.publish([good(RMS, 1.5)])
        counting = _Counting()
        subscription = await client.create_subscription(100, counting)
        results = await client.uaclient.create_monitored_items(items_of(subscription.subscription_id, 90))
        granted = [one for one in results if one.StatusCode.is_good()]
        assert 0 < len(granted) <= 70 and len(results) == 90
        assert {one.StatusCode.name for one in results if not one.StatusCode.is_good()} == {
            "BadTooManyMonitoredItems"
        }
        assert len({one.MonitoredItemId for one in granted}) == len(granted)


async def test_a_flood_of_large_reads_does_not_hold_up_another_client(tmp_path: Path) -> None:
    """As many of the largest reads as a client may have waiting: the other's small ones go in between."""
    async with (
        serving(tmp_path / "ua") as rig,
        client_of(rig, tmp_path / "a") as greedy,
        client_of(rig, tmp_path / "b") as other,
    ):
        rig.server.publish([good(RMS, 1.5)])
        flood = [asyncio.create_task(greedy.uaclient.read(read_of(1_000))) for _ in range(30)]
        await asyncio.sleep(0)
        answered = 0
        while not flood[-1].done():
            assert (await other.get_node(NODE).read_data_value()).StatusCode.is_good()  # type: ignore[union-attr]
            answered += 1
        for answers in await asyncio.gather(*flood):
            assert len(answers) == 1_000
        assert answered >= len(flood), "a small read for each large one, at least"
