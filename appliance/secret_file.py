"""A password or token in a file of its own.

Duty: read it. What the receivers of webhooks share is a list of keys with a form of its own (`sinks`), and a
scraper's token is judged by the web floor.
"""

from __future__ import annotations

from pathlib import Path

from appliance.errors import Fatal


def secret_of(path: Path | None) -> str:
    """The first line of a secret's file, "" without a file. Raises Fatal if it cannot be read."""
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").splitlines()[0].strip()
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise Fatal(f"the secret in {path} cannot be read: {error}") from error
