"""What a technician does with the page and reads from it, by the page's test ids.

Duty: the hands and eyes of the story; knows where things stand on the page, asserts nothing about machines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

PICTURE_WIDTH, PICTURE_HEIGHT = 1280, 900
PATIENCE_MS = 30_000

# Whether something is drawn on a canvas: how many of its pixels differ from the one in its corner.
_DRAWN_PIXELS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let drawn = 0;
  for (let i = 4; i < data.length; i += 4) {
    if (data[i] !== data[0] || data[i + 1] !== data[1] || data[i + 2] !== data[2] || data[i + 3] !== data[3])
      drawn += 1;
  }
  return drawn;
}"""


class Technician:
    """One person at one open page, which is never reloaded."""

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self.page = page
        self.url = url
        self._pictures = pictures
        self.script_errors: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.script_errors.append(str(error)))
        page.set_viewport_size({"width": PICTURE_WIDTH, "height": PICTURE_HEIGHT})

    def see(self, test_id: str, within: Locator | None = None) -> Locator:
        """The part of the page with this test id."""
        return (within or self.page).get_by_test_id(test_id)

    def open(self) -> None:
        """Open the page, once, and mark it: a reload would lose the mark."""
        self.page.goto(self.url)
        self.page.evaluate("window.neverReloaded = true")

    def was_never_reloaded(self) -> bool:
        """Whether it is still the page that was opened."""
        return bool(self.page.evaluate("window.neverReloaded === true"))

    def sign_in(self, user: str, password: str) -> None:
        """Fill in the login form."""
        self.see("login-user").fill(user)
        self.see("login-password").fill(password)
        self.see("login-submit").click()

    def choose_password(self, old: str, new: str) -> None:
        """Fill in the form that changes the password; the button may refuse."""
        self.see("old-password").fill(old)
        self.see("new-password").fill(new)

    def go_to(self, page: str) -> None:
        """One of the pages of the navigation."""
        self.see(f"nav-{page}").click()
        expect(self.see(f"nav-{page}")).to_have_attribute("aria-current", "page")

    def drawn_pixels(self, panel: str) -> int:
        """How much is drawn in a plot."""
        return int(self.see(panel).locator("canvas").first.evaluate(_DRAWN_PIXELS))

    def shown_counters(self) -> dict[str, float]:
        """The counters as the appliance page shows them."""
        rows = self.page.locator("[data-testid^='counter-']")
        return {
            str(row.get_attribute("data-testid")): float(row.get_attribute("data-value") or "nan")
            for row in rows.all()
        }

    def asks(self, path: str, **query: object) -> Any:
        """What the interface answers to this person's session."""
        response = self.page.request.get(
            self.url.rstrip("/") + path, params={name: str(value) for name, value in query.items()}
        )
        assert response.status == 200, f"GET {path}: {response.status} {response.text()}"
        return response.json()

    def take_picture(self, name: str) -> Path:
        """Keep a picture of the whole page."""
        path = self._pictures / f"{name}.png"
        self.page.evaluate("document.fonts.ready")
        self.page.screenshot(path=path, full_page=True, animations="disabled")
        return path
