"""A running appliance whose /metrics is scraped 100 times a second: nobody else notices, no frame is lost.

Everything real: a simulated sensor on a pty with a 4 KiB FIFO whose own account says what was overrun, an OPC
UA server, `stethos run`, scrapers that show the token.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.conftest import ROOT
from tests.end_to_end.rig import AXES, SENSOR, WATCHED, Rig
from tests.end_to_end.truth_account import closed_life

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(240)]
SECONDS = 8.0
RATE_HZ = 100.0
N_SCRAPERS = 5
ENOUGH = 0.5 * RATE_HZ * SECONDS  # pages
OTHERS = ("/api/machines", "/api/appliance", "/api/appliance/health", "/api/alarms")
UPTIME = re.compile(r"^stethos_uptime_seconds (\S+)$", re.MULTILINE)
SAMPLE = re.compile(r"^stethos_[a-z0-9_]+(\{[^}]*\})? [-+0-9.eNaInf]+$")


@dataclass
class Scraped:
    """What came of it."""

    pages: int = 0
    refused: int = 0
    last: str = ""
    renderings: int = 0
    others: int = 0
    others_refused: int = 0
    points_before: int = 0
    points_after: int = 0
    took_s: float = 0.0


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    one = Rig(tmp_path_factory.mktemp("rig"))
    token = one.folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    one.config.write_text(f'{one.config.read_text()}\n[metrics]\ntoken_file = "{token}"\n')
    left = {}
    try:
        one.start()
        yield one
    finally:
        left = one.end()
    assert not left, f"processes were left: {left}"


async def scrape(rig: Rig, token: str) -> Scraped:
    seen = Scraped(points_before=rig.api.points_stored(AXES[0], WATCHED))
    begin_s = time.monotonic()
    end_s = begin_s + SECONDS
    uptimes = set()

    async def scraper(number: int) -> None:
        due_s = time.monotonic() + number / RATE_HZ
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=rig.api.url, headers=headers, timeout=60.0, trust_env=False
        ) as http:
            while due_s < end_s:
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                answer = await http.get("/metrics")
                seen.pages += answer.status_code == 200
                seen.refused += answer.status_code != 200
                seen.last = answer.text
                uptimes.update(UPTIME.findall(answer.text))
                due_s += N_SCRAPERS / RATE_HZ

    async def page() -> None:
        cookies = rig.api.cookies
        async with httpx.AsyncClient(
            base_url=rig.api.url, cookies=cookies, timeout=60.0, trust_env=False
        ) as http:
            while time.monotonic() < end_s:
                for path in OTHERS:
                    good = (await http.get(path)).status_code == 200
                    seen.others += good
                    seen.others_refused += not good
                await asyncio.sleep(0.05)

    await asyncio.gather(page(), *(scraper(number) for number in range(N_SCRAPERS)))
    seen.took_s = time.monotonic() - begin_s
    seen.renderings = len(uptimes)
    seen.points_after = rig.api.points_stored(AXES[0], WATCHED)
    return seen


def test_a_hundred_scrapes_a_second_hold_up_nobody(rig: Rig) -> None:
    for attempt in range(3):  # a machine that stands still for a moment costs frames and pages: once more
        if attempt:
            rig.plug()
            rig.wait_for_link(SENSOR, "connected")
            rig.wait_for_windows(1)
        seen = asyncio.run(scrape(rig, (rig.folder / "token").read_text()))
        rig.unplug()
        life = closed_life(rig.truth_path)
        if not life.overrun and seen.pages > ENOUGH:
            break
    assert seen.refused == seen.others_refused == 0
    assert seen.pages > ENOUGH
    assert 1 < seen.renderings <= seen.took_s + 2, "rendered more often than once a second"
    assert seen.others >= len(OTHERS)
    assert seen.points_after > seen.points_before, "acquisition stood still"
    assert life.overrun == set(), f"{len(life.overrun)} frames were overrun"


def test_the_page_is_prometheus_text_of_documented_metrics(rig: Rig) -> None:
    answer = httpx.get(f"{rig.api.url}/metrics", cookies=rig.api.cookies, trust_env=False)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.match(line) for line in samples), [x for x in samples if not SAMPLE.match(x)][:3]
    documented = set(re.findall(r"^\| `(stethos_\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    named = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    assert named
    assert named <= documented
    assert "stethos_link_connected{" in answer.text
    assert f'link="{SENSOR}"' in answer.text
