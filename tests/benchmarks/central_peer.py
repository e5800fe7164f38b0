"""influxdb-client's own way to the centre, as its documentation shows it: Points and the batching WriteApi.

Its queue is in memory. Its encoding alone is measured, too: Point, line protocol, gzip. influxd 1.6 does not
know the path that the client posts to, so that alone is changed on its way out, to `/write` of the same
server with the database's name; all else is the client's.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Sequence
from typing import Any

from influxdb_client import InfluxDBClient, Point, WriteOptions

from appliance.sinks.sink import GZIP_LEVEL
from dsp.extractor import FeatureVector

CLIENT_PATH = "/api/v2/write"
Observation = FeatureVector | float


def point(channel: str, time_ns: int, seen: Observation, tags: dict[str, str]) -> Point:
    """One vector, or one process value, with the tags and fields that ours have."""
    made = Point("features" if isinstance(seen, FeatureVector) else "process_value")
    for name, text in {**tags, "channel": channel}.items():
        made.tag(name, text)
    made.time(time_ns)
    if not isinstance(seen, FeatureVector):
        return made.field("value", seen)
    for name, value in zip(seen.names, seen.values.tolist(), strict=True):
        made.field(name, value)
    made.field("duration_s", seen.duration_s).field("operating_state", seen.operating_state)
    return made.field("quality", seen.quality.value).field("extractor_version", seen.extractor_version)


def bodies(points: Callable[[], Sequence[Point]], batch: int) -> list[bytes]:
    """The points' lines, packed, in memory."""
    lines = [one.to_line_protocol() for one in points()]
    return [
        gzip.compress("\n".join(lines[first : first + batch]).encode(), GZIP_LEVEL)
        for first in range(0, len(lines), batch)
    ]


class BatchingWriteApi:
    """An open WriteApi; `close` waits until all is sent or given up."""

    def __init__(self, url: str, options: WriteOptions, *, database: str = "", **client: Any) -> None:
        """`database`: of a server of version 1; without it the server must know the client's own path."""
        self.given_up: list[str] = []  # what its error callback was told
        logging.getLogger("influxdb_client").setLevel(logging.CRITICAL)  # it tells each attempt, too
        self._client = InfluxDBClient(url, **client)
        if database:
            _to_version_1(self._client, database)
        self._api = self._client.write_api(write_options=options, error_callback=self._failed)

    def write(self, bucket: str, points: Sequence[Point]) -> None:
        for one in points:
            self._api.write(bucket=bucket, record=one)

    def close(self) -> None:
        self._api.close()
        self._client.close()

    def _failed(self, _: object, data: bytes | str, error: Exception) -> None:
        self.given_up.append(f"{len(data)} bytes: {error}")


def _to_version_1(client: InfluxDBClient, database: str) -> None:
    call = client.api_client.call_api

    def call_api(path: str, method: str, path_params: Any, query: Any, *rest: Any, **named: Any) -> Any:
        if path == CLIENT_PATH:
            path, query = "/write", [*query, ("db", database)]
        return call(path, method, path_params, query, *rest, **named)

    client.api_client.call_api = call_api
