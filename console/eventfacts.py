"""What led to what is said of an event, as tables in a reader's language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from archive.evidence import by_arrival, evidence, figures, named, probabilities, suspected
from archive.records import Answer, Record
from console.eventtexts import moment, title
from console.texts import Texts
from protocol.clock import SECOND

Sees = Callable[[str], bool]
"""Whether the reader may see what is in a region."""
NEAREST = 8
"""Devices that are named as the nearest ones."""
LIKELY = 0.005
"""Kinds that are less probable are not told."""


@dataclass(frozen=True)
class Row:
    """A line."""

    name: str
    values: Sequence[str]
    device: int | None = None
    """That it is about."""


@dataclass(frozen=True)
class Sheet:
    """A table; each row has as many values as there are columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]


def statements(held: Record, text: Texts, sees: Sees) -> Sheet:
    """What is said. Lines and buses may be of any region."""
    said = held.counting
    seen = _seen(said, sees)
    nearest = [name for name in said.nearest if name in seen]
    start, stop = moment(said.start), moment(said.stop)[11:]
    told = [
        ("what", title(held, text)),
        ("onset", moment(said.onset)),
        ("where", where(said, text)),
        ("nearest", ", ".join(nearest[:NEAREST]) or text("event.unknown")),
        *([("named", names)] if sees("") and (names := named(said)) else []),
        ("score", text("event.score_is", score=f"{said.score:.2f}")),
        ("judged", text("event.judged_is", start=start, stop=stop, share=f"{said.completeness * 100:.1f}",
                        took=f"{said.took / 1e6:.0f}")),
        ("by", f"{said.algorithm} {said.version} ({said.worker})"),
        ("file", held.path.name if held.path else text("event.no_file")),
    ]  # fmt: skip
    return Sheet(text("event.statements"), [""], [Row(text(f"event.{name}"), [value]) for name, value in told])


def where(said: Answer, text: Texts) -> str:
    """Position, and the ellipse that holds it."""
    if said.latitude != said.latitude:
        return text("event.unknown")
    place = {"latitude": f"{said.latitude:.3f}°", "longitude": f"{said.longitude:.3f}°"}
    if len(said.ellipse) != 3:
        return text("event.point", **place)
    major, minor, bearing = (f"{each:.0f}" for each in said.ellipse)
    return text("event.ellipse", **place, major=major, minor=minor, bearing=bearing)


def why(said: Answer, text: Texts, sees: Sees) -> Iterator[Sheet]:
    """Probabilities, rules and figures that led there, as the algorithm tells them. Figures may name any device."""
    likely = sorted(probabilities(said).items(), key=lambda item: -item[1])
    rows = [Row(text.of("kind", kind), [f"{share:.1%}"]) for kind, share in likely if share >= LIKELY]
    if rows:
        yield Sheet(text("event.probabilities"), [""], rows)
    if rules := said.detail.get("rules"):
        yield Sheet(
            text("event.rules"), [""], [Row(str(k + 1), [text.said(str(rule))]) for k, rule in enumerate(rules)]
        )
    if sees("") and (told := list(evidence(said.detail))):
        rows = [Row(_figure(name, text), [_figure(value, text)]) for name, value in told]
        yield Sheet(text("event.evidence"), [""], rows)


def _figure(words: str, text: Texts) -> str:
    """Names of an algorithm's figures, as far as they have others."""
    return " ".join(text.of("figure", word) for word in words.split(" "))


def arrivals(said: Answer, text: Texts, sees: Sees) -> list[Sheet]:
    """When each device saw it, in that order."""
    faulty = {each["device"] for each in said.bad}
    rows = [
        Row(each.name, [
            f"{(each.arrival - said.onset) / SECOND:+.3f}" if each.arrival else "-",
            f"{each.amplitude:.1f}" if each.amplitude == each.amplitude else "-",
            each.region, text("state.bad") if each.device in faulty else "",
        ], each.device)
        for each in by_arrival(said.devices) if sees(each.region)
    ]  # fmt: skip
    columns = [*_texts(text, "arrival", "amplitude", "region"), ""]
    return [Sheet(text("event.station"), columns, rows)]


def suspicions(said: Answer, text: Texts, sees: Sees) -> list[Sheet]:
    """By station and trigger, in order of onset."""
    mine = _seen(said, sees)
    rows = [
        Row(each.name, [each.trigger, moment(each.onset)[11:], str(each.verdicts), f"{each.score:.1f}"],
            mine[each.name])
        for each in suspected(said.suspicions) if each.name in mine
    ]  # fmt: skip
    return [Sheet(text("event.station"), _texts(text, "trigger", "first_onset", "verdicts", "highest"), rows)]


def bad(said: Answer, text: Texts, sees: Sees) -> list[Sheet]:
    """Bad data that was found."""
    mine = _seen(said, sees)
    rows = [
        Row(each["name"], [
            text.of("fault", str(each.get("kind", ""))), moment(each.get("start", 0))[11:],
            f"{(each.get('stop', 0) - each.get('start', 0)) / SECOND:.2f}", f"{each.get('score') or 0:.1f}",
        ], mine[each["name"]])
        for each in said.bad if each["name"] in mine
    ]  # fmt: skip
    if not rows:
        return [Sheet(text("event.none_bad"), [], [])]
    return [Sheet(text("event.station"), _texts(text, "bad", "begin", "seconds", "score"), rows)]


def answers(held: Record, text: Texts) -> list[Sheet]:
    """What was said when, in order."""
    rows = []
    for each in held.answers:
        told = title(Record(held.id, None, [each]), text)
        place = f"{each.latitude:.2f}, {each.longitude:.2f}" if each.latitude == each.latitude else "-"
        within = f" ± {each.ellipse[0]:.0f} km" if each.ellipse else ""
        rows.append(Row(str(each.answer), [moment(each.stop)[11:], told, place + within, f"{each.score:.1f}"]))
    return [Sheet(text("event.answers"), _texts(text, "data_up_to", "what", "where", "score"), rows)]


def verdicts(held: Record, text: Texts, sees: Sees) -> list[Sheet]:
    """Of an event that suspicious verdicts alone made."""
    rows = [
        Row(", ".join(said["names"]), [f"{said['trigger']} {said['algorithm']} {said['version']}",
                                       moment(said["onset"])[11:], f"{said['score']:.1f}", figures(said["detail"])])
        for said in held.verdicts if sees("")
    ]  # fmt: skip
    return [Sheet(text("event.station"), [*_texts(text, "trigger", "first_onset", "score", "evidence")], rows)]


def _seen(said: Answer, sees: Sees) -> dict[str, int]:
    """Names of devices that the reader may see -> their numbers."""
    return {each.name: each.device for each in said.devices if sees(each.region)}


def _texts(text: Texts, *names: str) -> list[str]:
    return [text(f"event.{name}") for name in names]
