"""An event's record as a page in the terminal: each statement, and what led to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from archive.evidence import by_arrival, evidence, figures, named, probabilities, suspected
from archive.layout import moment
from archive.records import Answer, Record
from protocol.clock import SECOND
from protocol.messages import Outcome


def page(record: Record) -> Group:
    """The whole page."""
    if not record.answers:
        return Group(*_of_verdicts(record))
    return Group(*_of_answers(record))


def _of_verdicts(record: Record) -> Iterator[RenderableType]:
    yield f"[bold]{escape(record.id)}[/]  made of suspicious verdicts: no event trigger said anything of it"
    rows = ((", ".join(said["names"]), said["trigger"], f"{said['algorithm']} {said['version']}", when(said["onset"]),
             f"{said['score']:.1f}", figures(said["detail"])) for said in record.verdicts)  # fmt: skip
    yield _table(("station", "trigger", "algorithm", "onset (UTC)", "score", "figures"), rows)


def _of_answers(record: Record) -> Iterator[RenderableType]:
    last, newest = record.counting, record.answers[-1]
    state = "final" if record.final else "not final"
    yield f"[bold]{escape(record.id)}[/]  answer {newest.answer}, {state}"
    if newest is not last:
        yield f"nobody could judge it again ({newest.outcome}: {escape(newest.error)}); this is answer {last.answer}"
    for name, text in statements(last):
        yield f"{name:<12}{escape(text)}"
    yield from _heading("why", [*map(str, last.detail.get("rules", [])), *map(": ".join, evidence(last.detail))])
    yield _devices(last)
    yield "[bold]suspicions[/]"
    head = ("station", "trigger", "first onset (UTC)", "verdicts", "highest score")
    yield _table(head, (
        (each.name, each.trigger, when(each.onset), str(each.verdicts), f"{each.score:.1f}")
        for each in suspected(last.suspicions)))  # fmt: skip
    if last.bad:
        yield "[bold]bad data[/]"
        yield _table(("station", "what", "from (UTC)", "s", "score"), (
            (each["name"], each.get("kind", ""), when(each.get("start", 0)),
             f"{(each.get('stop', 0) - each.get('start', 0)) / SECOND:.2f}", _number(each.get("score"), 1))
            for each in last.bad))  # fmt: skip
    yield "[bold]answers[/]"
    yield _table(("answer", "data up to, onset (UTC)", "what", "size", "where", "score"),
                 (_row(each) for each in record.answers))  # fmt: skip
    if last.left_out:
        yield f"too large to be kept: {', '.join(last.left_out)}"
    yield f"raw data: {record.path}" if record.path else "its file is made when the event is over"


def statements(said: Answer) -> Iterator[tuple[str, str]]:
    """What is said of the event: (name, text)."""
    yield "what", what(said)
    yield "onset", when(said.onset)
    yield "size", size(said) or "not known"
    yield "where", where(said) or "not known"
    if said.nearest:
        yield "nearest", ", ".join(said.nearest[:8])
    if names := named(said):
        yield "named", names
    yield "score", f"{said.score:.2f} (1 = at the limit)"
    yield (
        "judged",
        (
            f"{when(said.start)} to {when(said.stop)}, {len(said.devices)} stations, {said.completeness:.1%} there, "
            f"by {said.algorithm} {said.version} in {said.took / 1e6:.0f} ms ({said.worker})"
        ),
    )
    if said.outcome != Outcome.OK:
        yield "outcome", f"{said.outcome}: {said.error}"


def what(said: Answer) -> str:
    """Kind with its probability, and the next likely ones."""
    if said.outcome != Outcome.OK:
        return "not judged"
    if not said.disturbance:
        return "no disturbance: " + (f"bad data of {', '.join(_names(said.bad))}" if said.bad else "nothing found")
    others = sorted(probabilities(said).items(), key=lambda item: -item[1])
    rest = ", ".join(f"{kind} {share:.0%}" for kind, share in others if kind != said.kind and share >= 0.005)
    return f"{said.kind} {said.confidence:.0%}" + (f" ({rest})" if rest else "")


def size(said: Answer) -> str:
    """As `-43 mHz, -1200 MW`."""
    sizes = ((said.size_mhz, "mHz"), (said.size_mw, "MW"))
    return ", ".join(f"{each:+.0f} {unit}" for each, unit in sizes if each == each)


def where(said: Answer) -> str:
    """Position and the ellipse that holds it."""
    if said.latitude != said.latitude:
        return ""
    text = f"{said.latitude:.3f}, {said.longitude:.3f}"
    if len(said.ellipse) == 3:
        major, minor, bearing = said.ellipse
        text += f"; with 95 % within {major:.0f} x {minor:.0f} km, {bearing:.0f} degrees from north"
    return text


def when(time: int) -> str:
    """To the millisecond."""
    return f"{moment(time):%Y-%m-%d %H:%M:%S.%f}"[:-3] if time else ""


def _names(bad: Iterable[dict[str, Any]]) -> list[str]:
    return sorted({str(each["name"]) for each in bad})


def _heading(title: str, lines: list[str]) -> Iterator[RenderableType]:
    if lines:
        yield f"[bold]{title}[/]"
        yield from (f"  {escape(line)}" for line in lines)


def _devices(said: Answer) -> Table:
    bad = _names(said.bad)
    return _table(("station", "region", "arrival (s after onset)", "amplitude (mHz)", "position", ""), (
        (each.name, each.region, f"{(each.arrival - said.onset) / SECOND:+.3f}" if each.arrival else "",
         _number(each.amplitude, 1), _position(each.latitude, each.longitude), "bad data" if each.name in bad else "")
        for each in by_arrival(said.devices)))  # fmt: skip


def _position(latitude: float, longitude: float) -> str:
    return f"{latitude:.2f}, {longitude:.2f}" if latitude == latitude else ""


def _row(said: Answer) -> tuple[str, ...]:
    kind = f"{said.kind} {said.confidence:.0%}" if said.disturbance else "no disturbance"
    kind = kind if said.outcome == Outcome.OK else f"{said.outcome}: {said.error}"
    place = _position(said.latitude, said.longitude) + (f" ± {said.ellipse[0]:.0f} km" if said.ellipse else "")
    answer, nearest = f"{said.answer}{' final' if said.final else ''}", said.nearest[0] if said.nearest else ""
    where = "\n".join(filter(None, (place, f"near {nearest}" if nearest else "")))
    return answer, f"{when(said.stop)}\n{when(said.onset)}", kind, size(said), where, f"{said.score:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or value != value else f"{value:.{digits}f}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(*head)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table
