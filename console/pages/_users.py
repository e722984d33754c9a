"""The users of the console: add, change, disable, remove."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from nicegui import run, ui
from starlette.requests import Request

from console.access import editing
from console.access.editing import Wish
from console.access.passwords import check
from console.access.permissions import Forbidden
from console.access.users import AccessFault, Role, User
from console.access.who import Access, acting, find
from console.app import Console
from console.components.grid import Grid
from console.pages.frame import Page

Change = Callable[[dict[str, User]], None]


class UserList:
    """The list, and beside it one of them."""

    def __init__(self, console: Console, page: Page, request: Request) -> None:
        self._console, self._page, self._request = console, page, request
        self._names: list[str] = []
        self._name = ""
        """Of who is changed; "": somebody new."""
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
            with ui.element("div").classes("form"):
                self._input = ui.input(text("access.name")).props("dense outlined autocomplete=off").mark("name")
                roles = {str(role): text(f"role.{role}") for role in Role}
                self._role = ui.select(roles, label=text("admin.role")).props("dense outlined").mark("role")
                self._regions = ui.select([], label=text("admin.regions"), multiple=True)
                self._regions.props("dense outlined use-chips").mark("regions")
                self._password = ui.input(text("access.new_password"), password=True)
                self._password.props("dense outlined autocomplete=new-password").mark("password")
                self._disabled = ui.switch(text("admin.disabled")).props("dense")
                self._said = ui.label().classes("said").mark("said")
                with ui.element("div").classes("foot"):
                    self._remove_button = ui.button(text("admin.remove"), on_click=self._remove)
                    self._remove_button.props("flat dense no-caps color=negative")
                    ui.space()
                    ui.button(text("admin.save"), on_click=self._save).props("unelevated dense no-caps")
        self._tell()
        self._new()

    @property
    def _access(self) -> Access:
        """Raises Forbidden."""
        visit = find(self._request)
        if visit is None:
            raise Forbidden("you are not signed in")
        return visit.access

    def _tell(self) -> None:
        """Who there is."""
        text = self._page.text
        users = self._access.book.users
        self._names = sorted(users)
        captions = [text("access.name"), text("admin.role"), text("admin.regions"), text("grid.state")]
        rows = [
            (name, text(f"role.{users[name].role}"), ", ".join(users[name].regions or [text("admin.all")]))
            for name in self._names
        ]
        self._list.set_rows(captions, [], rows)
        self._list.tell(np.zeros((len(rows), 0)), [self._state(users[name]) for name in self._names])
        known = {each.region for each in self._console.station.configurations().values() if each.region}
        self._regions.set_options(sorted(known.union(*(user.regions or [] for user in users.values()))))

    def _state(self, user: User) -> tuple[str, bool]:
        text = self._page.text
        if user.disabled:
            return text("admin.is_disabled"), True
        return (text("admin.no_password"), True) if user.password is None else (text("admin.may_sign_in"), False)

    def _new(self) -> None:
        self._show("", Role.VIEWER, [], False)

    def _pick(self, name: str) -> None:
        user = self._access.book.users.get(name)
        if user is not None:
            self._show(name, user.role, user.regions or [], user.disabled)

    def _show(self, name: str, role: Role, regions: list[str], disabled: bool) -> None:
        self._name = name
        self._title.text = name or self._page.text("admin.new")
        self._input.value, self._role.value, self._regions.value = name, str(role), list(regions)
        self._password.value, self._disabled.value, self._said.text = "", disabled, ""
        self._input.set_enabled(not name)
        self._remove_button.set_visibility(bool(name))

    async def _save(self) -> None:
        name, password = self._name or str(self._input.value or "").strip(), str(self._password.value or "")
        made = None
        try:
            if password:
                check(password, name, self._access.policy.least)
                made = await run.io_bound(self._access.hasher.make, password)
            role, regions = Role(str(self._role.value)), tuple(str(each) for each in self._regions.value or ())
        except (AccessFault, Forbidden, ValueError) as fault:
            self._said.text = self._words(fault)
            return
        wish = Wish(name, role, regions, bool(self._disabled.value), made)
        if self._do(name, wish.told(), lambda users: (editing.change if self._name else editing.add)(users, wish)):
            self._pick(name)
            self._said.text = self._page.text("admin.saved")

    def _remove(self) -> None:
        name = self._name
        if name and self._do(name, "remove", lambda users: editing.remove(users, name)):
            self._new()

    def _do(self, name: str, detail: str, change: Change) -> bool:
        """Whether it was done."""
        try:
            with acting(self._request, "users", name, detail=detail), self._access.book.changing() as users:
                change(users)
        except (AccessFault, Forbidden) as fault:
            self._said.text = self._words(fault)
            return False
        self._tell()
        return True

    def _words(self, fault: Exception) -> str:
        key = fault.key if isinstance(fault, AccessFault) else ""
        return self._page.text(f"access.{key}", least=self._access.policy.least) if key else str(fault)
