"""The pipeline as a picture; of the node that is looked at, its processes with all counters, and their logs."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from console.access.permissions import may
from console.app import Console
from console.components.pipeline import Pipeline, Told
from console.flows import OFF, Flow, Process, bytes_, flow, short
from console.pages._change import Changes
from console.pages._logs import LogPanel
from console.pages._processes import Counters
from console.pages.frame import Page
from console.wiring import Drawing, Unit, Wiring, draw

SHARED = ("simulator", "receiver", "detector")
"""Kinds of which several may share the work."""


class PipelinePanel:
    """See the module."""

    def __init__(self, console: Console, page: Page, request: Request, changes: Changes) -> None:
        self._console, self._page, self._changes = console, page, changes
        self._plan = console.blueprint
        self._wiring: Wiring | None = None
        self._drawing: Drawing | None = None
        self._node = ""
        text = page.text
        with ui.element("div").classes("syms-panel picture"):
            with ui.element("div").classes("head"):
                ui.label(text("station.data_flow")).classes("title")
                self._note = ui.label().classes("note")
                ui.space()
                if may(page.user, "config"):
                    ui.button(text("station.take_up"), icon="published_with_changes", on_click=changes.up).props(
                        "flat dense"
                    ).mark("take-up")
            with ui.element("div").classes("fill"):
                self._element = Pipeline(self.choose)
        with ui.element("div").classes("syms-panel process"):
            with ui.element("div").classes("head"):
                self._title = ui.label().classes("title").mark("node")
                self._choice = ui.select([], on_change=self._turn).props("dense borderless options-dense")
                self._choice.classes("process-choice").mark("process")
                ui.space()
                self._buttons()
            with ui.element("div").classes("fill"):
                self._counters = Counters(page)
        self._log = LogPanel(console, page, request)

    def _buttons(self) -> None:
        """What the reader may do with a node."""
        text, user = self._page.text, self._page.user
        with ui.element("div").classes("actions") as self._actions:
            if may(user, "restart"):
                for verb, icon in (("start", "play_arrow"), ("stop", "stop"), ("restart", "restart_alt")):
                    button = ui.button(icon=icon, on_click=lambda verb=verb: self._changes.act(verb, self._named()))
                    button.props("flat dense").tooltip(text(f"station.do_{verb}")).mark(verb)
            if may(user, "scale"):
                self._scale = ui.button(text("station.do_scale"), on_click=lambda: self._changes.scale(self._unit()))
                self._scale.props("flat dense no-caps").mark("scale")
            if may(user, "swap"):
                self._swap = ui.button(text("station.do_swap"), on_click=lambda: self._changes.swap(self._unit()))
                self._swap.props("flat dense no-caps").mark("swap")
        self._actions.set_visibility(False)

    def _unit(self) -> Unit:
        return self._plan.wiring.unit(self._node)

    def _named(self) -> str:
        """The process that is looked at, or the node if none of it runs."""
        return str(self._choice.value or self._node)

    def choose(self, node: str) -> None:
        """Look at a node; one that is not there (any more) is passed over."""
        found = {each.name: each for each in self._plan.wiring.units}
        if node not in found:
            return
        self._node = node
        self._actions.set_visibility(True)
        self._element.choose(node)
        kind = self._page.text.of("node_kind", found[node].kind)
        self._title.text = f"{node} · {kind}"
        if may(self._page.user, "scale"):
            self._scale.set_visibility(found[node].kind in SHARED)
        if may(self._page.user, "swap"):
            self._swap.set_visibility(found[node].kind == "detector")
        self._list(self._console.flows.last())

    def _list(self, found: dict[str, Process]) -> None:
        mine = [name for name in found if self._unit().has(name)]
        if mine == self._choice.options and self._choice.value in mine:
            return
        kept = self._choice.value if self._choice.value in mine else next(iter(mine), None)
        self._choice.set_options(mine, value=kept)
        self._choice.set_visibility(len(mine) > 1)
        self._turn()

    def _turn(self) -> None:
        """To another process."""
        self._log.turn(self._choice.value)
        self._counters.tell(self._console.flows.last().get(str(self._choice.value)))

    async def tell(self, now: float) -> None:
        """How it is this second."""
        found = self._console.flows.processes(now)
        self._plan.look(now)
        if self._plan.wiring is not self._wiring:
            self._draw(self._plan.wiring)
        fault = self._plan.fault.splitlines()[0] if self._plan.fault else ""
        self._note.text = self._page.text("change.looking") if self._plan.looking else fault
        units = {each.name: each for each in self._plan.wiring.units}
        if self._drawing is None or not units:
            return
        flows = {name: flow(units[name], found) for name in self._drawing.boxes}
        self._element.tell([told(each, self._page) for each in flows.values()])
        if self._node not in units:
            self.choose(next((name for name, each in flows.items() if each.alarms), next(iter(units))))
        self._list(found)
        self._counters.tell(found.get(str(self._choice.value)))
        self._log.go_on()

    def _draw(self, wiring: Wiring) -> None:
        text = self._page.text
        self._wiring = wiring
        self._drawing = draw(wiring)
        words = {
            each.name: (
                f"{each.name} ×{each.copies}" if each.copies > 1 else each.name,
                text.of("node_kind", each.kind) + (f" · {each.host}" if each.host else ""),
            )
            for each in wiring.units
        }
        self._element.set_drawing(self._drawing, words)
        self._element.choose(self._node or None)


def told(each: Flow, page: Page) -> Told:
    """What a box says."""
    text = page.text
    if each.state == OFF:
        return OFF, (text("flow.off"), "", ""), 0
    does = [text(f"flow.{each.main}", value=short(each.rate))] if each.main and short(each.rate) else []
    if each.connections == each.connections:
        does.append(text("flow.connections", value=short(each.connections)))
    waits = [text("flow.waiting", value=short(each.waiting))] if short(each.waiting) else []
    if each.latency == each.latency:
        waits.append(f"{each.latency:.0f} ms" if each.latency >= 10 else f"{each.latency:.1f} ms")
    costs = [f"CPU {100 * each.cpu:.0f} %"] if each.cpu == each.cpu else []
    costs += [bytes_(each.memory)] if bytes_(each.memory) else []
    costs += [f"↻ {each.restarts}"] if each.restarts else []
    first, second, third, *_ = [*(" · ".join(line) for line in (does, waits, costs) if line), "", "", ""]
    return each.state, (first, second, third), each.alarms
