"""Administration in a browser: users, the audit log; nobody else gets there."""

from __future__ import annotations

from typing import Any

from console.access.book import Book
from console.access.users import Role
from nodes import _users
from tests.console.browser.conftest import sign_in
from tests.console.browser.feeding import Feeder

LONG = "seven herons cross the fjord"


def test_a_user_is_added_changed_and_removed(page: Any, feeder: Feeder) -> None:
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
    form.get_by_text("Saved.").wait_for()
    book = Book(feeder.served.folder / "users.yaml", _users.load)
    assert book.users["nina"].role is Role.VIEWER
    assert book.users["nina"].password is not None
    users.get_by_text("nina").click()
    form.get_by_role("button", name="Remove").click()
    users.get_by_text("nina").wait_for(state="detached")
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("none changed, added or cut out", exact=False).wait_for()
    page.locator(".audit .head button").last.click()
    page.locator(".audit td", has_text="viewer, regions all, new password").first.wait_for()


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
