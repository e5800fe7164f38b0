"""The page's files: what is cached, what falls back to the index, and what never leaves the folder."""

from __future__ import annotations

import httpx
import pytest

from tests.web.conftest import Site


def build(site: Site) -> None:
    (site.static / "assets").mkdir(parents=True)
    (site.static / "index.html").write_text("<!doctype html><title>Stethos</title>")
    (site.static / "assets" / "index-4f2a.js").write_text("export {}")
    (site.static / "favicon.svg").write_text("<svg/>")
    (site.folder / "secret.txt").write_text("secret")


async def test_a_page_that_is_not_built_says_what_to_do(anonymous: httpx.AsyncClient) -> None:
    for path in ("/", "/machines/pump-2", "/login"):
        answer = await anonymous.get(path)
        assert answer.status_code == 503
        assert "make setup" in answer.text
        assert answer.headers["content-type"].startswith("text/html")


async def test_files_and_the_pages_own_addresses(site: Site, anonymous: httpx.AsyncClient) -> None:
    build(site)
    for path in ("/", "/index.html", "/machines/pump-2", "/machines/pump-2/channels/z", "/alarms"):
        answer = await anonymous.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
        assert "<title>Stethos" in answer.text
    script = await anonymous.get("/assets/index-4f2a.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")
    icon = await anonymous.get("/favicon.svg")
    assert icon.headers["cache-control"] == "no-cache"
    again = await anonymous.get("/favicon.svg", headers={"If-None-Match": icon.headers["etag"]})
    assert again.status_code == 304
    head = await anonymous.head("/")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_missing_file_is_no_index(site: Site, anonymous: httpx.AsyncClient) -> None:
    build(site)
    for path in ("/assets/index-old.js", "/robots.txt", "/machines/x.map"):
        answer = await anonymous.get(path)
        assert answer.status_code == 404
        assert answer.json()["title"] == "Not found"
    answer = await anonymous.post("/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd",
     "/assets/%2e%2e%2f%2e%2e%2fsecret.txt", "/%00", "/a%00.txt", "/" + "x" * 5000, "/" + "x/" * 600,
     "/assets",
     "/assets/", "/link.txt", "/.", "/..", "/%ff%fe"],
)  # fmt: skip
async def test_nothing_outside_the_folder_is_served(
    path: str, site: Site, anonymous: httpx.AsyncClient
) -> None:
    build(site)
    (site.static / "link.txt").symlink_to(site.folder / "secret.txt")
    answer = await anonymous.get(path)
    assert "secret" not in answer.text
    assert "root:" not in answer.text
    assert answer.status_code in (200, 404)
