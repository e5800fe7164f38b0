"""Ports of loopback for the demo's parts.

Duty: the wanted one, the usual one or any that is free, and what an argument may say. Reserves none.
"""

from __future__ import annotations

import argparse
import socket

from appliance.errors import Fatal

DEFAULT_PORT = 8080


def port_argument(text: str) -> int:
    """A TCP port, for argparse."""
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 (any that is free) to 65535 is possible")
    return int(text)


def web_port(wanted: int | None) -> int:
    """The wanted port; without a wish the usual one, or any that is free. Raises Fatal."""
    if wanted is not None:
        return free_port(wanted)
    try:
        return free_port(DEFAULT_PORT)
    except Fatal:
        return free_port(0)


def free_port(port: int = 0) -> int:
    """This port of loopback if nobody has it; 0 takes any. Raises Fatal."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Fatal(
                f"port {port} cannot be used: {error.strerror}; choose another with --port"
            ) from error
        return int(probe.getsockname()[1])
