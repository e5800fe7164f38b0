"""A running influxd for a test, ended whatever happens."""

from __future__ import annotations

from tests.appliance.sinks.conftest import influxd

__all__ = ["influxd"]
