"""All that a process says of itself."""

from __future__ import annotations

from console.components.panels import Facts, Section
from console.flows import Process, bytes_
from console.pages.frame import Page

BYTES = ("bytes", "_bytes")


class Counters:
    """Of one process."""

    def __init__(self, page: Page) -> None:
        self._text = page.text
        self._whole = page.user.regions is None
        """Alarms concern the whole station."""
        self._element = Facts()
        self._shape: list[object] = []

    def tell(self, process: Process | None) -> None:
        """How it is; None: there is none to tell of."""
        sections: list[Section] = []
        values: list[str] = []
        if process is not None:
            sections, values = self._sections(process)
        shape: list[object] = [(each.title, [name for name, _ in each.rows]) for each in sections]
        if shape != self._shape:
            self._shape = shape
            self._element.set_rows(sections)
        self._element.tell(values)

    def _sections(self, process: Process) -> tuple[list[Section], list[str]]:
        text = self._text
        state = text("process.speaks") if process.speaks else "!" + text("process.silent")
        own = [
            ("state", state), ("pid", str(process.pid or "")), ("uptime", span(process.uptime)),
            ("cpu", f"{100 * process.cpu:.1f} %" if process.cpu == process.cpu else ""),
            ("memory", bytes_(process.memory)), ("restarts", str(process.restarts)),
        ]  # fmt: skip
        sections = []
        if process.alarms and self._whole:
            sections.append(Section(text("process.alarms"), [], [(alarm, None) for alarm in process.alarms]))
        sections.append(Section(process.name, [""], [(text(f"process.{name}"), None) for name, _ in own]))
        values = [value for _, value in own]
        if process.queues:
            sections.append(Section(text("process.queues"), [""], [(name, None) for name in process.queues]))
            values += [number(value, name) for name, value in process.queues.items()]
        columns = [text("process.count"), text("process.per_second")]
        sections.append(Section(text("process.counters"), columns, [(name, None) for name in process.counters]))
        for name, value in process.counters.items():
            rate = process.rates.get(name, 0.0)
            values += [number(value, name), "" if not rate or name.endswith("_ms") else f"{rate:,.1f}"]
        return sections, values


def number(value: float, name: str) -> str:
    """As wide as it is; bytes in their units."""
    if value != value:
        return ""
    if name.endswith(BYTES) or name == "bytes_kept":
        return bytes_(value)
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def span(seconds: float) -> str:
    """A duration for people."""
    if seconds != seconds:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
