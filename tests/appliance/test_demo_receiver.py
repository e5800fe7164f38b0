"""The demo's receiver: takes what the appliance signs, once; refuses what it did not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from appliance.config_file import load_settings
from appliance.demo_config import DemoPlaces, demo_config
from appliance.demo_receiver import DemoReceiver
from appliance.sinks.webhook_message import Message
from appliance.sinks.webhook_signature import headers
from appliance.wiring_webhooks import build_post


async def test_it_takes_what_is_signed_once_and_refuses_the_rest(tmp_path: Path) -> None:
    taken: list[dict[str, Any]] = []
    demo = DemoReceiver(tmp_path, taken.append)
    await demo.start()
    try:
        path = tmp_path / "stethos.toml"
        path.write_text(demo_config(DemoPlaces("/dev/null", 1, 2, "", demo.url, str(demo.secret_file))))
        (hook,) = load_settings(path).webhooks
        post = build_post(hook)
        for _ in range(2):  # a repeat is answered well and told once
            outcome = await post.attempt(
                Message("msg_1", "a", 1, "raised", b'{"type": "x"}'), int(time.time())
            )
            assert outcome.delivered, outcome.reason
        late = await post.attempt(Message("msg_2", "a", 2, "raised", b"{}"), int(time.time()) - 400)
        await post.close()
        assert (late.status, taken) == (401, [{"type": "x"}])
        forged = headers([b"x" * 32], "msg_3", int(time.time()), b"{}")
        async with aiohttp.ClientSession() as session:
            for given in (forged, {}, {**forged, "webhook-timestamp": "now"}):
                async with session.post(demo.url, data=b"{}", headers=given) as answer:
                    assert answer.status == 401
            async with session.post(demo.url, data=b"x" * 10_000_000, headers=forged) as answer:
                assert answer.status == 413
        assert len(taken) == 1
    finally:
        await demo.stop()


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9/alarms"])
def test_the_demo_s_configuration_names_it_only_where_there_is_one(tmp_path: Path, url: str) -> None:
    path = tmp_path / "stethos.toml"
    (tmp_path / "secret").touch()
    path.write_text(demo_config(DemoPlaces("/dev/null", 1, 2, "", url, str(tmp_path / "secret"))))
    assert [hook.url for hook in load_settings(path).webhooks] == [url][: bool(url)]
