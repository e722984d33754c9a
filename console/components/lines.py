"""Lines that go on: a log, or what a command says."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from console.components import LIBRARY

MOST = 2000
"""Lines that a browser holds."""


class Lines(ui.element, component="lines.js", esm=LIBRARY):
    """The end is seen unless one looks at what was before."""

    def __init__(self) -> None:
        super().__init__()
        self._props["most"] = MOST

    def set_lines(self, lines: Sequence[str]) -> None:
        """These alone."""
        self.run_method("set_lines", list(lines))

    def append(self, lines: Sequence[str]) -> None:
        """These too."""
        if lines:
            self.run_method("append", list(lines))
