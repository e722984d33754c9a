"""The clock of the frame."""

from __future__ import annotations

from nicegui import ui

from console.components import LIBRARY
from console.texts import Texts
from protocol.clock import MILLISECOND


class Clock(ui.element, component="bar.js", esm=LIBRARY):
    """The time, and how old the newest data are; remembers choices in the reader's browser."""

    def __init__(self, text: Texts, local: bool) -> None:
        super().__init__()
        self._props["texts"] = {"age": text("frame.age"), "none": text("app.no_data")}
        self._props["local"] = local

    def tell(self, now: int, newest: int) -> None:
        """The time and that of the newest data [ns UTC; 0: there are none]."""
        self.run_method("tell", now // MILLISECOND, newest // MILLISECOND)

    def remember(self, name: str, value: str, reload: bool) -> None:
        """Keep a choice in a cookie; `reload` the page if it must be made anew."""
        self.run_method("remember", name, value, reload)
