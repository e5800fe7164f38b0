"""What the end-to-end tests share: whole appliances that are always ended, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.conftest import ROOT
from tests.end_to_end.rig import Rig
from tests.end_to_end.technician import PATIENCE_MS

expect.set_options(timeout=PATIENCE_MS)  # as long as everything else at the page is waited for
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session", autouse=True)
def built_ui() -> None:
    """The page must have been built."""
    if not (ROOT / "web" / "static" / "index.html").is_file():
        pytest.fail("web/static/index.html is missing: run `make setup`, which builds the page")


@pytest.fixture(scope="module")
def start_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Rig]]:
    """Starts a rig with options of the simulator, `prepare`d before; all is ended, and that is asserted."""
    rigs: list[Rig] = []

    def start(*simulator_options: str, prepare: Callable[[Rig], None] | None = None) -> Rig:
        rigs.append(Rig(tmp_path_factory.mktemp("rig"), *simulator_options))
        if prepare is not None:
            prepare(rigs[-1])
        rigs[-1].start()
        return rigs[-1]

    yield start
    left = [rig.end() for rig in rigs]
    assert not any(left), f"processes were left: {left}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("chromium is missing: `make test` installs it, or `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of the page are kept, fresh from every run."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
