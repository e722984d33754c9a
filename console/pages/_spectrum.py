"""Harmonics and inter-harmonics of a device."""

from __future__ import annotations

from nicegui import ui

from console.app import Console
from console.components.panels import Bars
from console.describing import figure
from console.pages.frame import Page
from console.spectrum import Spectrogram, shares
from protocol.messages import Configuration, Spectrum, Table, spectrum_number

KINDS = {Spectrum.HARMONICS: "harmonics", Spectrum.INTERHARMONICS: "interharmonics"}


class Spectra:
    """The panel."""

    def __init__(self, console: Console, page: Page) -> None:
        self._console, self._page = console, page
        self._device = 0
        self._shown: Configuration | None = None
        with ui.element("div").classes("w-full h-full flex flex-col flex-nowrap"):
            with ui.element("div").classes("line") as self._bar:
                self._kind = (
                    ui.toggle([], on_change=lambda: self._arrange()).props("dense flat no-caps").mark("spectrum")
                )
                self._unit = ui.toggle(
                    {"V": page.text("spectrum.voltages"), "A": page.text("spectrum.currents")}, value="V",
                    on_change=lambda: self._arrange(),
                ).props("dense flat no-caps")  # fmt: skip
            self._none = ui.label(page.text("spectrum.none")).classes("syms-hint w-full")
            with ui.element("div").classes("w-full").style("flex: 1 1 0; min-height: 0") as self._place:
                self._bars = Bars()

    def choose(self, device: int) -> None:
        """Of this device."""
        self._device = device
        known = self._console.station.configurations()
        there = {int(kind): self._page.text(f"spectrum.{name}") for kind, name in KINDS.items()
                 if spectrum_number(device, kind) in known}  # fmt: skip
        for each in (self._bar, self._place):
            each.set_visibility(bool(there))
        self._none.set_visibility(not there)
        kept = self._kind.value if self._kind.value in there else next(iter(there), None)
        self._kind.set_options(there, value=kept)
        self._arrange()

    def _arrange(self) -> None:
        """Tell the bars what they are of."""
        known = self._console.station.configurations()
        kind = self._kind.value
        self._shown = known.get(spectrum_number(self._device, Spectrum(kind))) if kind else None
        if self._shown is not None:
            units = [unit for unit in ("V", "A") if unit in self._shown.phasor_units]
            if self._unit.value not in units and units:
                self._unit.value = units[0]
            self._unit.set_visibility(len(units) > 1)
            unit, caption = (
                ("", "THD") if Table(*self._shown.table).orders else ("Hz", self._page.text("spectrum.total"))
            )
            self._bars.set_axis(self._shown.components, unit, self._names(self._shown), caption)
            self.tell()

    def _names(self, known: Configuration) -> list[str]:
        return [name for name, unit in zip(known.phasors, known.phasor_units, strict=True) if unit == self._unit.value]

    def tell(self) -> None:
        """How it is now."""
        station = self._console.station
        if self._shown is None or (found := station.reading(self._shown.device)) is None:
            return
        fundamental = station.reading(self._device)
        known = station.configurations().get(self._device)
        told: Spectrogram = shares(self._shown, found[0].values, known, fundamental[0].values if fundamental else None)
        mine = [place for place, unit in enumerate(self._shown.phasor_units) if unit == self._unit.value]
        of = "%" if told.relative else ("V" if self._unit.value == "V" else "A")
        self._bars.tell(told.values[mine], of, [f"{figure(each, 2)} {of}" for each in told.total[mine]])
