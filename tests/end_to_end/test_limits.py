"""Commissioning at a running appliance: progress, a limit raised on the page, a kill, one step back.

The order is the story's: each test goes on where the one before ended.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import orjson
import pytest
from playwright.sync_api import Browser, expect

from appliance.demo_config import MACHINE_ID
from appliance.journal import schema
from appliance.journal.record import RecordClass, RecordKind
from appliance.journal.store import FILE_NAME
from tests.end_to_end.api_client import NEW_PASSWORD, points
from tests.end_to_end.rig import AXES, Rig
from tests.end_to_end.technician import PATIENCE_MS, Technician
from tests.end_to_end.told_process import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

CHANNEL = AXES[-1]
PATH = f"/api/machines/{MACHINE_ID}/limits"
LEARNS_WITHIN_S = 180.0
MANY_SCORES = 30
PERCENT = 300  # the largest: scores wander, a third of them is told from a whole one


@pytest.fixture(scope="module")
def rig(start_rig: Callable[..., Rig]) -> Rig:
    return start_rig()


@pytest.fixture(scope="module")
def technician(rig: Rig, browser: Browser, screenshots: Path) -> Iterator[Technician]:
    """A person at the machine's page."""
    page = browser.new_page()
    person = Technician(page, f"{rig.api.url}/", screenshots)
    person.open()
    person.sign_in("admin", NEW_PASSWORD)
    person.see(f"machine-card-{MACHINE_ID}").click()
    yield person
    assert person.script_errors == []
    page.close()


def limits(rig: Rig) -> dict[str, dict[str, Any]]:
    """The limits by channel, of the one operating state that the demo's machine has."""
    return {limit["channel_id"]: limit for limit in rig.api.get(PATH)["limits"]}


def in_service(rig: Rig) -> bool:
    found = limits(rig)
    return set(found) == set(AXES) and all(limit["in_service"] for limit in found.values())


def change(rig: Rig, **said: Any) -> httpx.Response:
    seen = rig.api.get(PATH)["revision"]
    wish = {"channel_id": None, "operating_state": None, "reason": "end-to-end", "seen_revision": seen}
    with httpx.Client(base_url=rig.api.url, cookies=rig.api.cookies, trust_env=False) as client:
        client.headers["X-CSRF-Token"] = client.get("/api/session").json()["csrf_token"]
        return client.post(PATH, json={**wish, **said})


def scores_after(rig: Rig, after_ms: float) -> list[float]:
    """Scores of the channel later than that, once there are many."""

    def found() -> list[float] | None:
        later = [v for t, v in points(rig.api.trend(CHANNEL, "score")).items() if t > after_ms]
        return later if len(later) >= MANY_SCORES else None

    return list(until(found, "scores are stored", every_s=0.5))


def stored_versions(rig: Rig) -> list[dict[str, Any]]:
    """Versions as they lie in the journal's file, read beside the running service."""
    with closing(schema.connect_reader(rig.journal_dir / FILE_NAME)) as connection:
        rows = connection.execute(
            "SELECT class, payload FROM record WHERE kind=? ORDER BY sequence",
            (schema.KIND_CODES[RecordKind.LIMIT_VERSION],),
        ).fetchall()
    assert {code for code, _ in rows} <= {schema.CLASS_CODES[RecordClass.LIMIT]}
    return [orjson.loads(payload) for _, payload in rows]


def test_learning_shows_its_progress_until_all_limits_are_in_service(
    rig: Rig, technician: Technician
) -> None:
    progress = technician.see("limits-progress")
    expect(progress).to_have_text(re.compile(r"Learned \d+ of \d+ s, 0 of 1 operating states"))
    expect(technician.see(f"limit-{CHANNEL}").get_by_test_id("limit-standing")).to_contain_text(
        "being learned"
    )
    learning = until(
        lambda: (found := rig.api.get(PATH)["learning"])["learned_h"] > 0.0 and found, "learning goes on"
    )
    assert 0.0 < learning["learned_h"] < learning["needed_h"]
    until(lambda: in_service(rig), "all limits are in service", LEARNS_WITHIN_S, every_s=0.5)
    expect(progress).to_contain_text("1 of 1 operating states")
    assert {v["key"]["channel_id"] for v in stored_versions(rig) if v["action"] == "learned"} == set(AXES)


def test_a_limit_raised_on_the_page_holds_at_once_and_after_a_kill(rig: Rig, technician: Technician) -> None:
    learned_ms = limits(rig)[CHANNEL]["changed_ms"]
    before = median(scores_after(rig, learned_ms))
    row = technician.see(f"limit-{CHANNEL}")
    row.get_by_test_id("limit-change").click()
    row.get_by_test_id("limit-raise").click()
    technician.see("limit-percent").fill(str(PERCENT))
    expect(technician.see("limit-confirm")).to_be_disabled()
    technician.see("limit-reason").fill("new coupling, runs rougher")
    technician.take_picture("limit-raise")
    technician.see("limit-confirm").click()
    expect(technician.see("limits-told")).to_have_text("The limit is raised.", timeout=PATIENCE_MS)
    raised = limits(rig)[CHANNEL]
    assert (raised["percent"], raised["actor"], raised["version"]) == (PERCENT, "admin", 2)
    assert stored_versions(rig)[-1]["reason"] == "new coupling, runs rougher"
    after = median(scores_after(rig, raised["changed_ms"] + 5_000.0))
    assert after < 0.6 * before, (before, after)

    rig.appliance.send(signal.SIGKILL)
    assert rig.appliance.wait() == -signal.SIGKILL
    rig.start_appliance()
    again = until(lambda: rig.api.try_get(PATH) and limits(rig).get(CHANNEL), "the limits are back")
    assert (again["percent"], again["version"], again["reason"]) == (
        PERCENT,
        2,
        "new coupling, runs rougher",
    )
    restarted_ms = max(points(rig.api.trend(CHANNEL, "score")))
    assert median(scores_after(rig, restarted_ms)) < 0.6 * before


def test_one_step_undoes_it_and_the_history_says_who(rig: Rig, technician: Technician) -> None:
    technician.see("limits-undo").click()
    technician.see("limit-reason").fill("it was the other machine")
    technician.see("limit-confirm").click()
    expect(technician.see("limits-told")).to_have_text("Undone.", timeout=PATIENCE_MS)
    assert limits(rig)[CHANNEL]["percent"] == 100.0
    technician.see("limit-history").locator("summary").click()
    newest = technician.see("limit-version-3")
    expect(newest).to_contain_text("change undone (version 2) · admin")
    expect(newest).to_contain_text("it was the other machine")
    technician.see(f"channel-picker-{CHANNEL}").click()
    expect(technician.see("trend-plot").get_by_test_id("limit-marks")).to_contain_text("raised to 300 %")
    technician.take_picture("limit-history")


def test_learning_anew_is_refused_while_locked_and_undone_whole(rig: Rig) -> None:
    assert change(rig, action="lock").status_code == 200
    refused = change(rig, action="learn anew")
    assert refused.status_code == 409
    assert "is locked" in refused.json()["detail"]
    assert change(rig, action="unlock").status_code == 200
    old = change(rig, action="learn anew", seen_revision=0)
    assert old.status_code == 409
    assert "changed since you looked" in old.json()["detail"]
    assert change(rig, action="learn anew", reason="bearing replaced").status_code == 200
    assert not any(limit["in_service"] for limit in limits(rig).values())
    assert rig.api.get(f"/api/machines/{MACHINE_ID}")["summary"]["learning"]["states_learned"] == 0
    assert change(rig, action="undo", reason="wrong machine").status_code == 200
    assert in_service(rig)
    assert {limit["action"] for limit in limits(rig).values()} == {"undone"}
