"""InfluxDB 2.x through influxdb-client's asynchronous write, which has no retries of its own.

Duty: one POST per body. The verdict on the answer is the sink's (`influx`). The client's batching WriteApi is
not used: it gives up what it could not send, and says so to a callback alone.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import aiohttp

from appliance.sinks.influx import LONGEST_ANSWER_BYTES, Answer, answer_of, date_s_of, no_answer
from appliance.sinks.influx_dialect import DIALECTS


class Influx2Writer:
    """`POST /api/v2/write` of InfluxDB 2.x, through influxdb-client."""

    dialect = DIALECTS[2]

    def __init__(
        self,
        url: str,
        org: str,
        bucket: str,
        *,
        token: Callable[[], str],
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`token` is asked before every request: a rotated token needs no restart."""
        self._url, self._org, self._bucket, self._token = url, org, bucket, token
        self._tls, self._timeout_s = tls, timeout_s
        self._client: object | None = None
        self._token_used = ""
        self._date_s: float | None = None

    async def write(self, body: bytes) -> Answer:
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
        from influxdb_client.rest import ApiException

        token = self._token()
        if self._client is None or token != self._token_used:
            await self.close()
            self._client = InfluxDBClientAsync(
                self._url,
                token,
                self._org,
                timeout=round(self._timeout_s * 1000),
                allow_redirects=False,
                ssl_context=self._tls,
                # The body comes packed; the client's own packing takes ten times as long.
                client_session_kwargs={"headers": {"Content-Encoding": "gzip"}},
                client_session_type=self._listening,
            )
            self._token_used = token
        try:
            await self._client.write_api().write(self._bucket, self._org, body, "ns")  # type: ignore[attr-defined]
        except ApiException as error:
            said = (
                error.body
                if isinstance(error.body, bytes)
                else str(error.body or error.reason or "").encode()
            )
            return answer_of(int(error.status or 0), said[:LONGEST_ANSWER_BYTES], error.headers or {})
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise no_answer(error) from error
        return Answer(204, "", date_s=self._date_s)

    def _listening(self, **wanted: Any) -> aiohttp.ClientSession:
        """The client tells nothing of an answer that is well; its session does."""

        async def heard(session: object, context: object, params: aiohttp.TraceRequestEndParams) -> None:
            self._date_s = date_s_of(params.response.headers.get("Date"))

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(heard)
        return aiohttp.ClientSession(**{**wanted, "trace_configs": [trace]})

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()  # type: ignore[attr-defined]
            self._client = None
