"""The users of the console: add, change, disable, remove; their tokens."""

from __future__ import annotations

from typing import cast

import numpy as np
from nicegui import run, ui
from starlette.requests import Request

from console.access import editing
from console.access.editing import Wish
from console.access.passwords import check
from console.access.permissions import Forbidden
from console.access.users import AccessFault, Language, Role, User
from console.app import Console
from console.components.grid import Grid
from console.pages._tokens import Tokens
from console.pages._userbook import Change, UserBook
from console.pages.frame import Page
from console.texts import LANGUAGES

NOBODY = User(name="", role=Role.VIEWER).with_(regions=[])
"""Somebody new: which regions he sees is for the administrator to say."""
OF_BROWSER = ""
"""No language of his own."""


class UserList:
    """The list, and beside it one of them."""

    def __init__(self, console: Console, page: Page, request: Request) -> None:
        self._console, self._page, self._book = console, page, UserBook(page.text, request)
        self._names: list[str] = []
        self._user = NOBODY
        """Who is changed, as the fields were filled; NOBODY: somebody new."""
        text = page.text
        with ui.element("div").classes("syms-panel users"):
            with ui.element("div").classes("head"):
                ui.label(text("admin.users")).classes("title")
                ui.space()
                ui.button(text("admin.new"), icon="person_add", on_click=self._new).props("flat dense no-caps")
            with ui.element("div").classes("fill"):
                self._list = Grid(text, text("admin.only"), lambda at: self._pick(self._names[at]))
        with ui.element("div").classes("syms-panel user"):
            with ui.element("div").classes("head"):
                self._title = ui.label().classes("title")
                ui.space()
                with ui.tabs(on_change=self._turn).props("dense inline-label no-caps") as self._tabs:
                    ui.tab("user", text("admin.user"))
                    ui.tab("tokens", text("admin.tokens"))
            with ui.element("div").classes("form") as self._form:
                self._fields()
            self._tokens = Tokens(page, self._book)
        self._tabs.value = "user"
        self._tell()
        self._new()

    def _fields(self) -> None:
        text = self._page.text
        self._input = ui.input(text("access.name")).props("dense outlined autocomplete=off").mark("name")
        roles = {str(role): text(f"role.{role}") for role in Role}
        self._role = ui.select(roles, label=text("admin.role")).props("dense outlined").mark("role")
        self._all = ui.switch(text("admin.all_regions"), on_change=self._bound).props("dense").mark("all-regions")
        self._regions = ui.select([], label=text("admin.regions"), multiple=True)
        self._regions.props("dense outlined use-chips").mark("regions")
        self._password = ui.input(text("access.new_password"), password=True)
        self._password.props("dense outlined autocomplete=new-password").mark("password")
        languages = {OF_BROWSER: text("admin.of_browser"), **LANGUAGES}
        self._language = ui.select(languages, label=text("app.language")).props("dense outlined").mark("language")
        self._disabled = ui.switch(text("admin.disabled")).props("dense").mark("disabled")
        self._scripts = ui.switch(text("admin.scripts")).props("dense").mark("scripts")
        self._said = ui.label().classes("said whole").mark("said")
        with ui.element("div").classes("foot whole"):
            self._remove_button = ui.button(text("admin.remove"), on_click=self._remove)
            self._remove_button.props("flat dense no-caps color=negative")
            ui.space()
            ui.button(text("admin.save"), on_click=self._save).props("unelevated dense no-caps")

    def _turn(self) -> None:
        """What of him is shown."""
        of_tokens = self._tabs.value == "tokens"
        self._form.set_visibility(not of_tokens)
        self._tokens.element.set_visibility(of_tokens)

    def _bound(self) -> None:
        self._regions.set_enabled(not self._all.value)

    def _tell(self) -> None:
        """Who there is."""
        text, users = self._page.text, self._book.users
        self._names = sorted(users)
        captions = [text("access.name"), text("admin.role"), text("admin.regions"), text("grid.state")]
        rows = [(name, text(f"role.{users[name].role}"), self._seen(users[name])) for name in self._names]
        self._list.set_rows(captions, [], rows)
        self._list.tell(np.zeros((len(rows), 0)), [self._state(users[name]) for name in self._names])
        known = {each.region for each in self._console.station.configurations().values() if each.region}
        self._regions.set_options(sorted(known.union(*(user.regions or [] for user in users.values()))))

    def _seen(self, user: User) -> str:
        return self._page.text("admin.all") if user.regions is None else user.seen

    def _state(self, user: User) -> tuple[str, bool]:
        text = self._page.text
        if user.disabled:
            return text("admin.is_disabled"), True
        return (text("admin.no_password"), True) if user.password is None else (text("admin.may_sign_in"), False)

    def _new(self) -> None:
        self._show(NOBODY)

    def _pick(self, name: str) -> None:
        user = self._book.users.get(name)
        if user is not None:
            self._show(user)

    def _show(self, user: User) -> None:
        self._user, name = user, user.name
        self._title.text = name or self._page.text("admin.new")
        self._input.value, self._role.value, self._regions.value = name, str(user.role), list(user.regions or [])
        self._all.value, self._language.value = user.regions is None, user.language or OF_BROWSER
        self._password.value, self._disabled.value, self._said.text = "", user.disabled, ""
        self._scripts.value = False
        self._bound()
        self._input.set_enabled(not name)
        self._scripts.set_visibility(not name)
        self._remove_button.set_visibility(bool(name))
        self._tabs.set_visibility(bool(name))
        if not name:
            self._tabs.value = "user"
        self._tokens.show(name)

    async def _save(self) -> None:
        try:
            wish = await self._wish()
        except (AccessFault, Forbidden, ValueError) as fault:
            self._said.text = self._book.words(fault)
            return
        shown = self._user

        def change(users: dict[str, User]) -> None:
            if shown.name:
                editing.change(users, wish, shown)
            else:
                editing.add(users, wish)

        if self._do(wish.name, wish.told(), change):
            self._pick(wish.name)
            self._said.text = self._page.text("admin.saved")

    async def _wish(self) -> Wish:
        """What stands in the fields. Raises AccessFault, Forbidden, ValueError for what no field offers."""
        access, name = self._book.access, self._user.name or str(self._input.value or "").strip()
        password, made = str(self._password.value or ""), None
        if password:
            check(password, name, access.policy.least)
            made = await run.io_bound(access.hasher.make, password)
        language = str(self._language.value or OF_BROWSER)
        if language not in (OF_BROWSER, *LANGUAGES):
            raise ValueError(f"{language!r} is no language of the console")
        return Wish(
            name, Role(str(self._role.value)),
            None if self._all.value else tuple(str(each) for each in self._regions.value or ()),
            bool(self._disabled.value), made, cast(Language, language) if language else None,
            scripts=made is None and not self._user.name and bool(self._scripts.value),
        )  # fmt: skip

    def _remove(self) -> None:
        name = self._user.name
        if name and self._do(name, "remove", lambda users: editing.remove(users, name)):
            self._new()

    def _do(self, name: str, detail: str, change: Change) -> bool:
        """Whether it was done."""
        self._said.text = self._book.do(name, detail, change)
        if self._said.text:
            return False
        self._tell()
        return True
