"""Tokens of a user, by which scripts ask the API: issued, told once, revoked."""

from __future__ import annotations

from nicegui import ui

from console.access import editing
from console.access.editing import DAYS, MOST_DAYS
from console.access.users import AccessFault
from console.pages._userbook import UserBook
from console.pages.frame import Page


class Tokens:
    """Of the user who is shown."""

    def __init__(self, page: Page, book: UserBook) -> None:
        self._page, self._book = page, book
        self._name = ""
        text = page.text
        with ui.element("div").classes("form tokens") as self.element:
            self._rows = ui.element("div").classes("rows whole")
            self._label = ui.input(text("admin.token_name")).props("dense outlined autocomplete=off").mark("token")
            self._days = ui.number(text("admin.token_days"), value=DAYS, min=1, max=MOST_DAYS, step=1, precision=0)
            self._days.props("dense outlined").mark("days")
            with ui.element("div").classes("whole once") as self._once:
                ui.label(text("admin.token_once"))
                self._secret = ui.input().props("dense outlined readonly").classes("grow").mark("secret")
            self._said = ui.label().classes("said whole").mark("token-said")
            with ui.element("div").classes("foot whole"):
                ui.space()
                ui.button(text("admin.token_issue"), on_click=self._issue).props("unelevated dense no-caps")

    def show(self, name: str) -> None:
        """Those of this user; a token that was told is told no more."""
        self._name, self._said.text, self._label.value, self._days.value = name, "", "", DAYS
        self._tell_secret("")
        self._tell()

    def _tell_secret(self, token: str) -> None:
        self._secret.value = token
        self._once.set_visibility(bool(token))

    def _tell(self) -> None:
        text, user = self._page.text, self._book.users.get(self._name)
        now = self._book.access.clock().utc
        self._rows.clear()
        with self._rows:
            for label, token in user.tokens.items() if user else ():
                ended = token.expires.timestamp() * 1e9 <= now
                until = text("admin.token_ended" if ended else "admin.token_until", day=f"{token.expires:%Y-%m-%d}")
                with ui.element("div").classes("row"):
                    ui.label(label).classes("name")
                    ui.label(until).classes("until")
                    ui.space()
                    ui.button(text("admin.token_revoke"), on_click=lambda label=label: self._revoke(label)).props(
                        "flat dense no-caps color=negative"
                    )
            if user is not None and not user.tokens:
                ui.label(text("admin.token_none")).classes("until")

    def _issue(self) -> None:
        label, name, fresh = str(self._label.value or "").strip(), self._name, editing.fresh_token()
        try:
            until = editing.until(self._book.access.clock().utc, int(self._days.value or 0))
        except AccessFault as fault:
            self._said.text = self._book.words(fault)
            return
        self._tell_secret("")
        why = self._book.do(
            name, f"token {label} until {until:%Y-%m-%d}", lambda users: editing.issue(users, name, label, fresh, until)
        )
        self._said.text = why
        if not why:
            self._tell_secret(fresh)
            self._label.value = ""
            self._tell()

    def _revoke(self, label: str) -> None:
        name = self._name
        why = self._book.do(name, f"token {label} revoked", lambda users: editing.revoke(users, name, label))
        self._said.text = why or self._page.text("admin.token_revoked", token=label)
        self._tell_secret("")
        self._tell()
