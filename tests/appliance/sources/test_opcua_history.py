"""The history of a server that has no end of values which cannot be taken."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from asyncua import ua
from asyncua.client.client import Client

from appliance.sources import opcua_history
from appliance.sources.opcua_history import past_values
from appliance.sources.opcua_values import OpcUaTag
from dsp.samples import Channel, Measurand

TAG = OpcUaTag("ns=2;s=Flow", Channel("flow", "pump", Measurand.PROCESS_VALUE, "m3/h", 0.0, math.inf), 1.0)
SECOND_NS = 10**9


class EndlessPages:
    """Answers each question with a full page whose stamps grow by a microsecond, from the time asked for."""

    def __init__(self, status: int, begin_ns: int = 0) -> None:
        self.asked: list[int] = []
        self._status, self._begin_ns = status, begin_ns

    async def __call__(
        self, client: Client, tag: OpcUaTag, from_ns: int, end_ns: int
    ) -> tuple[list[ua.DataValue], bool]:
        assert len(self.asked) < 1_000, "it asks for ever"
        self.asked.append(from_ns)
        begin_ns = max(from_ns, self._begin_ns)
        stamps = [begin_ns // 1000 + step for step in range(opcua_history.PAGE)]
        return [
            ua.DataValue(
                ua.Variant(1.0, ua.VariantType.Double),
                StatusCode=ua.StatusCode(self._status),
                SourceTimestamp=opcua_history._EPOCH + timedelta(microseconds=stamp),
            )
            for stamp in stamps
        ], True


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcua_history, "PAGE", 10)
    monkeypatch.setattr(opcua_history, "MOST_SEEN", 200)
    monkeypatch.setattr(opcua_history, "REST_S", 0.0)


async def test_a_server_that_gives_bad_values_without_end_is_asked_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = EndlessPages(ua.StatusCodes.BadSensorFailure)
    monkeypatch.setattr(opcua_history, "_page", pages)
    assert await past_values(Client("opc.tcp://127.0.0.1:1"), TAG, 0, 100 * SECOND_NS) == []
    assert len(pages.asked) == 20


async def test_a_server_that_answers_beyond_the_time_asked_for_is_asked_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = EndlessPages(ua.StatusCodes.Good, begin_ns=200 * SECOND_NS)
    monkeypatch.setattr(opcua_history, "_page", pages)
    assert await past_values(Client("opc.tcp://127.0.0.1:1"), TAG, 0, 100 * SECOND_NS) == []
    assert len(pages.asked) == 1
