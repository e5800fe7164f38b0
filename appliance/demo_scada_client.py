"""The demo's second choice of a SCADA client, where node-opcua is not here: asyncua's own, and it says so.

Duty: the same conversation as tests/node_opcua/scada.js: one JSON line on standard input says where to go and
what to subscribe to; every notification is a JSON line on standard output. Not part of an appliance.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import UaError
from cryptography.x509.oid import ExtendedKeyUsageOID

APPLICATION_URI = "urn:stethos:demo:scada"
AGAIN_S = 1.0


def tell(line: dict[str, Any]) -> None:
    """One line of what happens."""
    print(json.dumps(line), flush=True)  # noqa: T201


class Notifications:
    """What asyncua calls with each change."""

    def __init__(self, paths: dict[Node, str]) -> None:
        self._paths = paths

    def datachange_notification(self, node: Node, value: Any, data: Any) -> None:
        found = data.monitored_item.Value
        source = found.SourceTimestamp
        tell(
            {
                "changed": self._paths[node],
                "value": value,
                "status": found.StatusCode.name,
                "source_ms": None if source is None else source.timestamp() * 1000.0,
            }
        )


async def connection(wish: dict[str, Any], certificate: Path, key: Path, subscribed: asyncio.Event) -> None:
    """One connection, until it is lost. Raises what asyncua raises."""
    client = Client(wish["url"], timeout=10)
    client.application_uri = APPLICATION_URI
    client.name = "SCADA"
    client.set_user(wish["user"])
    client.set_password(wish["password"])
    await client.set_security(
        SecurityPolicyBasic256Sha256, certificate, key, mode=ua.MessageSecurityMode.SignAndEncrypt
    )
    async with client:
        index = await client.get_namespace_index(wish["namespace"])
        paths = {
            client.get_node(ua.NodeId.from_string(f"ns={index};s={path}")): path for path in wish["nodes"]
        }
        subscription = await client.create_subscription(100, Notifications(paths))
        await subscription.subscribe_data_change(list(paths), queuesize=20)
        subscribed.set()
        tell({"subscribed": len(paths)})
        while True:
            await client.check_connection()
            await asyncio.sleep(AGAIN_S)


async def run(folder: Path) -> None:
    """Connect, again and again, until standard input ends."""
    certificate, key = folder / "certificate.der", folder / "key.pem"
    await setup_self_signed_certificate(
        key, certificate, APPLICATION_URI, "scada", [ExtendedKeyUsageOID.CLIENT_AUTH], {"commonName": "SCADA"}
    )
    key.chmod(0o600)
    tell({"client": f"asyncua {version('asyncua')}"})
    wish = json.loads(await asyncio.to_thread(sys.stdin.readline))
    while True:
        subscribed = asyncio.Event()
        try:
            await connection(wish, certificate, key, subscribed)
        except (OSError, TimeoutError, UaError) as error:
            tell({"lost": True} if subscribed.is_set() else {"refused": f"{type(error).__name__} {error}"})
        await asyncio.sleep(AGAIN_S)


def main() -> int:
    """`python -m appliance.demo_scada_client FOLDER`"""
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(run(Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
