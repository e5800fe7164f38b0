"""The table [metrics]: who may scrape /metrics without signing in.

Duty: its setting and the rule for the token's file. Without the table only a signed-in user sees the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from appliance.config_base import Settings
from web.scrape_token import TokenRefusedError, read_token


class MetricsSettings(Settings):
    token_file: Annotated[
        Path,
        Field(description="file that holds the scraper's bearer token, 16 characters or more, mode 0600"),
    ]


def metrics_problems(metrics: MetricsSettings) -> Iterator[tuple[str, str, str]]:
    """Every broken rule as (key, reason, remedy)."""
    try:
        read_token(metrics.token_file)
    except TokenRefusedError as error:
        yield "metrics.token_file", error.reason, error.remedy
