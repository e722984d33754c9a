"""The pipeline as a picture with figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from console.components import LIBRARY
from console.wiring import BOX, Drawing

Told = tuple[str, tuple[str, str, str], int]
"""(state, three lines of text, number of alarms)"""


class Pipeline(ui.element, component="pipeline.js", esm=LIBRARY):
    """Boxes of nodes and the ways between them."""

    def __init__(self, on_pick: Callable[[str], None]) -> None:
        """`on_pick` gets the name of a node."""
        super().__init__()
        self.on("pick", lambda event: on_pick(str(event.args)))
        self._told: list[Told | None] = []

    def set_drawing(self, drawing: Drawing, words: dict[str, tuple[str, str]]) -> None:
        """`words`: title and kind of each box."""
        nodes = [
            {"name": name, "title": words[name][0], "kind": words[name][1], "x": x, "y": y}
            for name, (x, y) in drawing.boxes.items()
        ]
        ways = [vars(each) for each in drawing.ways]
        self._told = [None] * len(nodes)
        told = {"width": drawing.width, "height": drawing.height, "box": BOX, "nodes": nodes, "ways": ways}
        self.run_method("set_drawing", told)

    def tell(self, values: Sequence[Told]) -> None:
        """Of all boxes, in the order of the drawing."""
        changes = [
            (at, *each) for at, (each, before) in enumerate(zip(values, self._told, strict=True)) if each != before
        ]
        if changes:
            self._told = list(values)
            self.run_method("tell", changes)

    def choose(self, name: str | None) -> None:
        """The node that is looked at."""
        self.run_method("choose", name)
