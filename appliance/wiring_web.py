"""The page's door: its socket, its certificate, the server behind it, and where people reach it.

Duty: from `[web]` to a supervised server. What the pages say is the web floor's.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from appliance.config import WebSettings
from appliance.config_metrics import MetricsSettings
from appliance.config_rules import is_loopback
from appliance.errors import Fatal
from appliance.station import Station
from appliance.supervisor import Supervisor
from appliance.tls_files import TlsFiles, own_tls_files
from web.app import create_app
from web.auth import FIRST_USER, AuthStore
from web.capture_provider import CaptureProvider
from web.inspection_provider import InspectionProvider
from web.scrape_token import ScrapeToken
from web.server import WebServer, listening_socket
from web.station_view import HealthProvider


@dataclass(frozen=True, slots=True)
class Address:
    """Where people reach the appliance, and how they get in the first time."""

    url: str
    user: str
    first_password: str | None  # None: somebody has signed in before
    fingerprint: str | None  # of the certificate, under TLS


class WebDoor:
    """The listening socket and what answers there. Raises Fatal when the address cannot be used."""

    def __init__(
        self, web: WebSettings, metrics: MetricsSettings | None, auth: AuthStore, tls: TlsFiles | None
    ) -> None:
        self._web, self._metrics, self._auth, self._tls = web, metrics, auth, tls
        try:
            self._listening = listening_socket(web.host, web.port)
        except OSError as error:
            raise Fatal(
                f"the address {web.host} port {web.port} cannot be used: {error.strerror}; "
                "choose another [web] port, or stop what uses it"
            ) from error

    def supervise(
        self,
        supervisor: Supervisor,
        station: Station,
        *,
        health: HealthProvider,
        captured: CaptureProvider,
        inspections: InspectionProvider,
    ) -> None:
        """Serve for as long as the supervisor runs; without the page there is no service."""
        serving = asyncio.Event()

        async def serve() -> None:
            app = create_app(
                station,
                self._auth,
                health=health,
                captured=captured,
                inspections=inspections,
                scrape_token=None if self._metrics is None else ScrapeToken(self._metrics.token_file),
                hosts=[socket.gethostname(), self._web.host],
            )
            await self._serve(app, serving)

        supervisor.add("web", serve, ready=serving, essential=True)

    def address(self, first_password: str | None) -> Address:
        """What is announced once the server answers."""
        host, port = self._listening.getsockname()[:2]
        shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
        shown = f"[{shown}]" if ":" in shown else shown
        scheme = "http" if self._tls is None else "https"
        fingerprint = None if self._tls is None else self._tls.fingerprint()
        return Address(f"{scheme}://{shown}:{port}/", FIRST_USER, first_password, fingerprint)

    async def _serve(self, app: FastAPI, serving: asyncio.Event) -> None:
        certificate, key = (
            (None, None) if self._tls is None else (str(self._tls.certificate), str(self._tls.key))
        )
        server = WebServer(app, tls_certificate=certificate, tls_key=key)
        answering = asyncio.create_task(server.serve(sockets=[self._listening]), name="uvicorn")
        try:
            while not (server.started or answering.done()):  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            serving.set()
            await asyncio.shield(answering)
        except asyncio.CancelledError:
            server.should_exit = True
            await answering
            raise


def tls_files(web: WebSettings, folder: Path) -> TlsFiles | None:
    """Certificate and key where HTTPS is spoken."""
    if web.certificate_file is not None and web.key_file is not None:
        files = TlsFiles(web.certificate_file, web.key_file)
        files.check()
        return files
    if web.tls == "on" or not is_loopback(web.host):
        return own_tls_files(folder, web.host)
    return None
