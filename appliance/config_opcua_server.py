"""The table [opcua_server]: the appliance's own OPC UA server, for SCADA.

Duty: its settings. Without the table there is no such server.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.config_base import Settings


class OpcUaServerSettings(Settings):
    host: Annotated[
        str,
        Field(min_length=1, description="address to listen on", examples=["0.0.0.0", "127.0.0.1"]),  # noqa: S104
    ] = "0.0.0.0"  # noqa: S104 - always encrypted and with a password
    port: Annotated[
        int, Field(ge=0, le=65535, description="TCP port; 0 takes a free one", examples=[4840])
    ] = 4840
    client_certificates: Annotated[
        Literal["trusted", "any"],
        Field(
            description="trusted: only clients whose certificate an operator moved to opcua/trusted of the "
            "state folder; any: the password alone decides"
        ),
    ] = "trusted"
    update_interval_ms: Annotated[
        int,
        Field(
            ge=100, le=60_000, description="how often latest values are taken over, ms; alarms come at once"
        ),
    ] = 500
