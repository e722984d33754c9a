"""The report as one HTML file: nothing is loaded from anywhere, nothing runs in it, it prints on A4."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.reports.content import Bars, Content, Trend, shown
from console.reports.drawing import drawn
from console.texts import Texts

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True, keep_trailing_newline=True,
)  # fmt: skip


def page(content: Content, text: Texts) -> str:
    """The same for the same content, byte by byte."""

    def drawing(what: Trend | Bars) -> Markup:
        return Markup(drawn(what, content.zone))  # made of elements, which escape what they hold

    template = TEMPLATES.get_template("daily.html.j2")
    return template.render(report=content, text=text, shown=lambda cell: shown(cell, content.zone), drawing=drawing)
