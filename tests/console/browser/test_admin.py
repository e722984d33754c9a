"""Administration in a browser: users, the audit log; nobody else gets there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from console.access.book import Book
from console.access.sessions import digest
from console.access.users import Role
from nodes import _users
from tests.console.browser.conftest import sign_in
from tests.console.browser.feeding import Feeder

LONG = "seven herons cross the fjord"


def test_a_user_is_added_changed_and_removed(page: Any, feeder: Feeder, pictures: Path) -> None:
    page.goto(f"{feeder.served.url}/admin")
    users = page.locator(".syms-admin .users")
    users.get_by_text("oleg").wait_for()
    form = page.locator(".syms-admin .form")
    form.get_by_label("Name").fill("nina")
    form.get_by_label("New password").fill("short")
    form.get_by_role("button", name="Save").click()
    form.get_by_text("at least 12 characters", exact=False).wait_for()
    form.get_by_label("New password").fill(LONG)
    form.get_by_role("button", name="Save").click()
    form.get_by_text("Choose the regions, or all regions.").wait_for()
    form.get_by_role("switch", name="All regions").click()
    form.get_by_label("Language").click()
    page.get_by_role("option", name="中文").click()
    form.get_by_role("button", name="Save").click()
    form.get_by_text("Saved.").wait_for()
    page.screenshot(path=pictures / "admin.png")
    made = users_of(feeder)["nina"]
    assert (made.role, made.regions, made.language) == (Role.VIEWER, None, "zh")
    assert made.password is not None
    form.get_by_role("switch", name="All regions").click()  # none is chosen: it opens nothing, and is not taken
    form.get_by_role("button", name="Save").click()
    form.get_by_text("Choose the regions, or all regions.").wait_for()
    assert users_of(feeder)["nina"].regions is None

    page.get_by_role("tab", name="Tokens").click()
    form.get_by_label("New token").fill("prometheus")
    form.get_by_role("button", name="Issue").click()
    secret = form.locator(".once input")
    secret.wait_for()
    token = secret.input_value()
    assert users_of(feeder)["nina"].tokens["prometheus"].hash == digest(token)
    page.screenshot(path=pictures / "tokens.png")
    told = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{feeder.served.url}/api/v1/devices", headers=told).status_code == 200
    users.get_by_text("oleg").click()  # it was shown once
    users.get_by_text("nina").click()
    page.get_by_role("tab", name="Tokens").click()
    form.get_by_text("prometheus").wait_for()
    assert token not in page.content()
    form.get_by_role("button", name="Revoke").click()
    form.get_by_text("prometheus counts no more.").wait_for()
    assert httpx.get(f"{feeder.served.url}/api/v1/devices", headers=told).status_code == 401
    page.get_by_role("tab", name="User", exact=True).click()
    form.get_by_role("button", name="Remove").click()
    users.get_by_text("nina").wait_for(state="detached")
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("none changed, added or cut out", exact=False).wait_for()
    page.locator(".audit .head button").last.click()
    page.locator(".audit td", has_text="viewer, regions all, language zh, new password").first.wait_for()
    page.locator(".audit td", has_text="token prometheus revoked").first.wait_for()
    assert token not in page.content()


def test_what_was_changed_meanwhile_is_looked_at_again(page: Any, feeder: Feeder) -> None:
    page.goto(f"{feeder.served.url}/admin")
    users, form = page.locator(".syms-admin .users"), page.locator(".syms-admin .form")
    users.get_by_text("vera").click()
    page.wait_for_function("document.querySelector('.syms-admin .form input').value === 'vera'")
    before = users_of(feeder)["vera"]
    with Book(feeder.served.folder / "users.yaml", _users.load).changing() as found:  # as `syms users` does
        found["vera"] = before.with_(disabled=True)
    form.get_by_label("Language").click()
    page.get_by_role("option", name="中文").click()
    form.get_by_role("button", name="Save").click()
    form.get_by_text("nothing was saved", exact=False).wait_for()
    assert users_of(feeder)["vera"] == before.with_(disabled=True)
    users.get_by_text("vera").click()
    form.get_by_role("switch", name="Kept out", checked=True).click()
    form.get_by_role("button", name="Save").click()
    form.get_by_text("Saved.").wait_for()
    assert users_of(feeder)["vera"] == before


def users_of(feeder: Feeder) -> Any:
    """As the file has them."""
    return Book(feeder.served.folder / "users.yaml", _users.load).users


def test_nobody_else_gets_there(browser: Any, feeder: Feeder) -> None:
    for name in ("vera", "oleg"):
        context = browser.new_context()
        sign_in(context, feeder.served, name)
        answer = context.request.get(f"{feeder.served.url}/admin")
        assert answer.status == 403
        assert "needs administrator" in answer.text()
        context.close()
    stranger = browser.new_context()
    assert "/login" in stranger.request.get(f"{feeder.served.url}/admin").url
    stranger.close()
