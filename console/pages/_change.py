"""What changes the station: shown first, agreed to, then done by the verbs of the command line, with what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from starlette.requests import Request

from console.access.permissions import Forbidden
from console.access.users import AccessFault
from console.access.who import acting, require
from console.app import Console
from console.components.lines import Lines
from console.pages.frame import Page
from console.verbs import MOST_COPIES, VerbError
from console.wiring import Unit

SIGNS = {"added": "+", "removed": "−", "changed": "~"}
ACT = "restart"
"""The permission that starting, stopping and restarting need."""


class Changes:
    """The window in which a change is shown and followed; one at a time."""

    def __init__(self, console: Console, page: Page, request: Request) -> None:
        self._console, self._page, self._request = console, page, request
        self._busy = False
        self._words: Callable[[bool], tuple[str, ...]] | None = None
        self._agreeing: list[str] | None = None
        """What was shown to be agreed to; None: it is plain by itself."""
        self._action = self._object = ""
        text = page.text
        self._veil = ui.element("div").classes("syms-veil").mark("change")
        with self._veil, ui.element("div").classes("window"):
            self._title = ui.label().classes("title")
            with ui.element("div").classes("asked") as self._scaling:
                self._copies = ui.number(text("change.copies"), min=1, max=MOST_COPIES, step=1, precision=0)
                self._copies.props("dense outlined").mark("copies")
            with ui.element("div").classes("asked") as self._swapping:
                self._algorithm = ui.select([], label=text("change.algorithm")).props("dense outlined")
                self._algorithm.classes("grow").mark("algorithm")
                self._settings = ui.input(text("change.settings")).props("dense outlined").classes("grow")
            self._said = Lines()
            self._state = ui.label().classes("state").mark("change-state")
            with ui.element("div").classes("foot"):
                self._cancel = ui.button(text("change.close"), on_click=self._close).props("flat no-caps dense")
                self._show = ui.button(text("change.show"), on_click=self._preview).props("unelevated no-caps dense")
                self._do = ui.button(text("change.do"), on_click=self._carry_out).props("unelevated no-caps dense")
                self._do.mark("do")
                self._show.mark("show")
        self._veil.set_visibility(False)

    # ── what is asked for ───────────────────────────────────────────────────────────────────────────────────

    def act(self, verb: str, name: str) -> None:
        """Start, stop or restart a process, or all of a node."""
        verbs = self._console.verbs
        if verb in ("start", "stop", "restart") and self._is_ours(name):
            self._open(ACT, f"{verb} {name}", self._page.text(f"change.{verb}", name=name))
            self._words = lambda agreed: verbs.act(verb, name)
            self._do.set_visibility(True)

    def scale(self, unit: Unit) -> None:
        """Another number of copies."""
        self._open("scale", unit.name, self._page.text("change.scale", name=unit.name))
        self._copies.value = unit.copies
        self._scaling.set_visibility(True)
        self._show.set_visibility(True)
        self._words = lambda agreed: self._console.verbs.scale(unit.name, int(self._copies.value or 0), agreed)

    async def swap(self, unit: Unit) -> None:
        """Another algorithm."""
        self._open("swap", unit.name, self._page.text("change.swap", name=unit.name))
        self._swapping.set_visibility(True)
        self._show.set_visibility(True)
        verbs = self._console.verbs
        self._words = lambda agreed: verbs.swap(unit.name, str(self._algorithm.value), self._named(), agreed)
        try:
            told = await verbs.ask(*verbs.algorithms())
        except VerbError as fault:
            return self._fail(self._page.text.said(str(fault)))
        self._algorithm.set_options([each["name"] for each in told["all"]])

    async def up(self) -> None:
        """What runs follows the file as somebody edited it."""
        path = self._console.pipeline
        self._open("config", str(path), self._page.text("change.up", name=path.name))
        self._words = self._console.verbs.up
        await self._preview()

    def _named(self) -> list[str]:
        return [each.strip() for each in str(self._settings.value or "").split(",") if each.strip()]

    def _is_ours(self, name: str) -> bool:
        units = self._console.blueprint.wiring.units
        return name in self._console.flows.last() or any(each.name == name for each in units)

    def _open(self, action: str, object_: str, title: str) -> None:
        if self._busy:
            return
        self._action, self._object, self._title.text, self._state.text = action, object_, title, ""
        self._agreeing = None
        for each in (self._scaling, self._swapping, self._show, self._do):
            each.set_visibility(False)
        self._said.set_lines([])
        self._veil.set_visibility(True)

    def _close(self) -> None:
        if not self._busy:
            self._veil.set_visibility(False)

    # ── showing and doing it ────────────────────────────────────────────────────────────────────────────────

    async def _preview(self) -> None:
        """What would be done."""
        if self._words is None or self._busy:
            return
        text = self._page.text
        self._do.set_visibility(False)
        self._said.set_lines([])
        with self._at_work(text("change.looking")):
            try:
                plan = await self._planned()
            except (Forbidden, VerbError) as fault:
                return self._fail(self._page.text.said(str(fault)))
        self._propose(plan, text("change.agree"))

    async def _planned(self) -> dict[str, Any]:
        """What would be done now. Raises Forbidden, VerbError."""
        assert self._words is not None
        require(self._request, self._action, None, self._object)
        return (await self._console.verbs.ask(*self._words(False))).get("plan") or {}

    def _propose(self, plan: dict[str, Any], asked: str) -> None:
        """Show it, and ask."""
        self._agreeing = lines(plan)
        self._said.set_lines(self._agreeing)
        some = bool(plan.get("steps") or plan.get("differences"))
        self._do.set_visibility(some)
        self._state.text = asked if some else self._page.text("change.nothing")

    async def _carry_out(self) -> None:
        if self._words is None or self._busy:
            return
        text = self._page.text
        other: dict[str, Any] | None = None
        with self._at_work(text("change.doing")):
            try:
                if self._agreeing is not None and lines(plan := await self._planned()) != self._agreeing:
                    other = plan  # another number was typed, or the file edited: nobody agreed to that
                else:
                    words = self._words(True)
                    with acting(self._request, self._action, self._object, detail=" ".join(words[2:])):
                        self._said.append([f"$ syms {' '.join(words)}"])
                        await self._console.verbs.carry_out(words, self._said.append)
            except (Forbidden, AccessFault, VerbError) as fault:
                return self._fail(self._page.text.said(str(fault)))
        if other is not None:
            return self._propose(other, text("change.other"))
        self._do.set_visibility(False)
        self._show.set_visibility(False)
        self._state.text = text("change.done")

    def _fail(self, why: str) -> None:
        self._said.append(why.splitlines())
        self._state.text = self._page.text("change.failed")

    def _at_work(self, what: str) -> _AtWork:
        return _AtWork(self, what)

    def set_busy(self, busy: bool, what: str = "") -> None:
        """While a verb is at work nothing can be pressed."""
        self._busy = busy
        if busy:
            self._state.text = what
        for each in (self._cancel, self._show, self._do):
            each.set_enabled(not busy)


class _AtWork:
    """A block in which a verb is at work."""

    def __init__(self, changes: Changes, what: str) -> None:
        self._changes, self._what = changes, what

    def __enter__(self) -> None:
        self._changes.set_busy(True, self._what)

    def __exit__(self, *_: object) -> None:
        self._changes.set_busy(False)


def lines(plan: dict[str, Any]) -> list[str]:
    """A plan of `syms up --json`, for people."""
    told = []
    for each in plan.get("differences", ()):
        told.append(f"{SIGNS.get(each['what'], '~')} {each['node']} ({each['kind']})")
        told += [f"    {name}: {old or '·'} → {new or '·'}" for name, old, new in each["settings"]]
    for step in plan.get("steps", ()):
        told.append(f"{step['do']} {step['process']}: {step['why']}")
        if step["cost"] not in ("", "nothing"):
            told.append(f"    {step['cost']}")
    kept: Sequence[str] = plan.get("kept", ())
    return [*told, f"= {', '.join(kept)}"] if kept and told else told
