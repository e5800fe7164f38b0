"""/metrics: for who has the token or a session, rendered once a second however often it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.conftest import Site, sign_in
from web.scrape_token import ScrapeToken, TokenRefusedError, read_token

TOKEN = "0123456789abcdef-scraper"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def write_token(path: Path, text: str = TOKEN + "\n", mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


async def test_without_a_token_only_who_is_signed_in_sees_it(site: Site) -> None:
    async with site.client() as client:
        refused = await client.get("/metrics", headers=BEARER)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert b"stethos_" not in refused.content
        await sign_in(client)
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.text.startswith("# HELP ")


async def test_the_first_boot_password_is_not_enough(site: Site) -> None:
    site.auth.reset_password("admin", "correct horse battery", must_change=True)
    async with site.client() as client:
        await sign_in(client)
        assert (await client.get("/metrics")).status_code == 401


async def test_the_token_admits_and_nothing_else_does(site: Site) -> None:
    site.token_file = write_token(site.folder / "token")
    async with site.client() as client:
        assert (await client.get("/metrics", headers=BEARER)).status_code == 200
        assert (
            await client.get("/metrics", headers={"Authorization": f"bearer  {TOKEN} "})
        ).status_code == 200
        for wrong in ("", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}",
                      TOKEN, f"Bearer {TOKEN.upper()}", "Bearer é", "Bearer " + "x" * 5000):  # fmt: skip
            refused = await client.get("/metrics", headers={"Authorization": wrong.encode("latin-1")})
            assert refused.status_code == 401, wrong
            assert TOKEN not in refused.text
        assert (await client.get("/api/machines", headers=BEARER)).status_code == 401, "it opens one door"
        assert (await client.post("/metrics", headers=BEARER)).status_code == 405
        head = await client.head("/metrics", headers=BEARER)
        assert head.status_code == 200


async def test_a_hundred_scrapes_a_second_render_once(site: Site) -> None:
    site.token_file = write_token(site.folder / "token")
    async with site.client() as client:
        pages = set()
        for _ in range(3):
            for _ in range(100):
                pages.add((await client.get("/metrics", headers=BEARER)).text)
            site.clock.advance(1.0)
    assert site.station.own_health.rendered == 3
    assert len(pages) == 3


async def test_a_changed_token_needs_no_restart(site: Site) -> None:
    path = site.token_file = write_token(site.folder / "token")
    async with site.client() as client:
        assert (await client.get("/metrics", headers=BEARER)).status_code == 200
        write_token(path, "another-token-of-the-plant\n")
        site.clock.advance(2.0)
        assert (await client.get("/metrics", headers=BEARER)).status_code == 401
        new = {"Authorization": "Bearer another-token-of-the-plant"}
        assert (await client.get("/metrics", headers=new)).status_code == 200
        path.chmod(0o640)
        site.clock.advance(2.0)
        assert (await client.get("/metrics", headers=new)).status_code == 401, "others can read it"
        path.unlink()
        site.clock.advance(2.0)
        assert (await client.get("/metrics", headers=new)).status_code == 401


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (TOKEN, 0o644, "mode is 0644"),
        (TOKEN, 0o620, "mode is 0620"),
        ("short", 0o600, "16 to 512"),
        ("x" * 600, 0o600, "16 to 512"),
        ("", 0o600, "no token"),
        (f"{TOKEN}\n{TOKEN}\n", 0o600, "no token"),
        ("ümläut-is-no-token-at-all", 0o600, "no token"),
    ],
)
def test_a_file_that_is_no_token_is_refused_with_its_remedy(
    tmp_path: Path, text: str, mode: int, reason: str
) -> None:
    path = write_token(tmp_path / "token", text, mode)
    with pytest.raises(TokenRefusedError) as refused:
        read_token(path)
    assert reason in refused.value.reason
    assert refused.value.remedy
    assert not ScrapeToken(path).admits(text.strip())
    assert TOKEN not in str(refused.value)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenRefusedError, match="no file"):
        read_token(tmp_path / "token")
    assert not ScrapeToken(tmp_path / "token").admits("")
