"""The real application in memory: a fake station, a clock that tests move, hashes that cost nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import argon2
import httpx
import pytest
from fastapi import FastAPI

from tests.fakes.fake_station import FakeStation
from web.app import create_app
from web.auth import AuthStore
from web.passwords import PasswordHashing
from web.scrape_token import ScrapeToken

PASSWORD = "correct horse battery"


@dataclass
class Clock:
    """Monotonic and wall seconds that stand still until moved."""

    monotonic: float = 1000.0
    wall: float = 1_800_000_000.0

    def monotonic_s(self) -> float:
        return self.monotonic

    def wall_s(self) -> float:
        return self.wall

    def advance(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


def cheap_hashing() -> PasswordHashing:
    return PasswordHashing(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass
class Site:
    """One appliance's web floor and the means to talk to it."""

    folder: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.station = FakeStation(self.clock.wall_s)
        self.token_file: Path | None = None
        self.auth = self.open_auth()
        self.auth.reset_password("admin", PASSWORD, must_change=False)
        self.static = self.folder / "static"

    def open_auth(self) -> AuthStore:
        """The accounts as the next process would read them."""
        return AuthStore.open(
            self.folder / "auth.json",
            monotonic_s=self.clock.monotonic_s,
            wall_s=self.clock.wall_s,
            hashing=cheap_hashing(),
        )

    def app(self) -> FastAPI:
        token = ScrapeToken(self.token_file, self.clock.monotonic_s) if self.token_file else None
        return create_app(
            self.station,
            self.auth,
            health=self.station.own_health,
            captured=self.station.captured,
            inspections=self.station.inspections,
            scrape_token=token,
            monotonic_s=self.clock.monotonic_s,
            hosts=["stethos.plant"],
            static_folder=self.static,
        )

    def client(
        self, app: FastAPI | None = None, address: str = "10.1.2.3", base_url: str = "http://stethos.plant"
    ) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app or self.app(), client=(address, 5), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base_url)


async def sign_in(client: httpx.AsyncClient, user: str = "admin", password: str = PASSWORD) -> httpx.Response:
    """Signs in; further requests of the client carry the cookie and the CSRF token."""
    answer = await client.post("/api/session", json={"user": user, "password": password})
    if answer.status_code == 200:
        client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer


@pytest.fixture(autouse=True)
def _patient_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a second must not keep a stream from ending in order."""
    monkeypatch.setattr("web.live.LAST_SEND_WITHIN_S", 60.0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
async def anonymous(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with site.client() as client:
        yield client


@pytest.fixture
async def signed_in(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with site.client() as client:
        assert (await sign_in(client)).status_code == 200
        yield client
