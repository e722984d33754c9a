"""Choosing quantities for trends: several devices, several quantities, what differences are to."""

from __future__ import annotations

from collections.abc import Iterable

from nicegui import ui

from console.app import Console
from console.pages._trends import Trends
from console.pages.frame import Page
from console.quantities import QUANTITIES, Wanted, names
from protocol.messages import Configuration, Table


class Picker:
    """The dialog."""

    def __init__(self, console: Console, page: Page, trends: Trends) -> None:
        self._console, self._page, self._trends = console, page, trends
        text = page.text
        with ui.dialog() as self._dialog, ui.card().classes("w-[640px] gap-3").mark("picker"):
            ui.label(text("trends.choose")).classes("text-base font-medium")
            self._devices = ui.select({}, multiple=True, with_input=True, label=text("trends.devices"), value=[])
            self._devices.props("use-chips options-dense dense").classes("w-full").mark("devices")
            self._quantities = ui.select({}, multiple=True, with_input=True, label=text("trends.quantities"), value=[])
            self._quantities.props("use-chips options-dense dense").classes("w-full").mark("quantities")
            self._reference = ui.select(
                {"": text("trends.first")}, value="", with_input=True, label=text("trends.reference")
            )
            self._reference.props("options-dense dense").classes("w-full")
            with ui.row().classes("w-full justify-end gap-2"):
                ui.button(text("trends.cancel"), on_click=self._dialog.close).props("flat no-caps")
                ui.button(text("trends.replace"), on_click=lambda: self._done(False)).props("flat no-caps")
                ui.button(text("trends.add"), on_click=lambda: self._done(True)).props("no-caps unelevated").mark("add")
        self._devices.on_value_change(lambda: self._offer())

    def open(self) -> None:
        """With what there is now."""
        known = self._known()
        shown = {device: f"{each.name}{f' · {each.region}' if each.region else ''}" for device, each in known.items()}
        self._devices.set_options(shown, value=[each for each in self._devices.value if each in known])
        options = {"": self._page.text("trends.first")}
        for each in known.values():
            if each.phasors:
                first = names(each, "angle")[0]
                options[Wanted(each.device, "angle", first).id] = f"{each.name} {first}"
        chosen = self._trends.reference.id if self._trends.reference else ""
        self._reference.set_options(options, value=chosen if chosen in options else "")
        self._offer()
        self._dialog.open()

    def _known(self) -> dict[int, Configuration]:
        known = self._page.visible(self._console.station)
        return {device: known[device] for device in sorted(known) if not Table(*known[device].table).spectrum}

    def _offer(self) -> None:
        """Quantities that any of the devices has."""
        known = self._known()
        mine = [known[device] for device in self._devices.value if device in known]
        options = {f"{quantity}.{name}": self._called(quantity, name) for quantity, name in offered(mine)}
        kept = [each for each in self._quantities.value if each in options]
        self._quantities.set_options(options, value=kept or [key for key in options if key == "frequency."])

    def _called(self, quantity: str, name: str) -> str:
        return f"{self._page.text(f'trends.long_{quantity}')}{' ' * bool(name)}{name}"

    def _done(self, add: bool) -> None:
        known = self._known()
        pairs = [each.partition(".")[::2] for each in self._quantities.value]
        wanted = [
            Wanted(device, quantity, name)
            for quantity, name in pairs
            for device in self._devices.value
            if device in known and name in names(known[device], quantity)
        ]
        self._trends.reference = Wanted.of(self._reference.value) if self._reference.value else None
        if add:
            self._trends.add(*wanted)
        else:
            self._trends.replace(wanted, self._trends.reference)
        self._dialog.close()


def offered(known: Iterable[Configuration]) -> list[tuple[str, str]]:
    """(quantity, name) that any of some devices has, in the order of QUANTITIES."""
    found: dict[tuple[str, str], None] = {}
    all_ = list(known)
    for quantity in QUANTITIES:
        for each in all_:
            found |= dict.fromkeys((quantity, name) for name in names(each, quantity))
    return list(found)
