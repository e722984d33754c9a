"""What a probed device is like, for people; and its entry for the site file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape

from commands._prober import Way
from commands._sitefile import Entry, written
from commands._wording import Json
from nodes._settings import show_rate

CHANNELS_AT_MOST = 40
"""Shown of a station; the others are counted (`--json` has all)."""


def entry(told: Json, way: Way, number: int | None) -> Entry:
    """As it may stand in the site file."""
    stations = told["configuration"]["stations"]
    made: Entry = {"name": (stations[0]["name"] if stations else "") or str(way.place), "number": number}
    if told["protocol"] == "c37118":
        made["stream"] = told["stream"]
    else:
        text = told["identity"]
        plain = len(text) == 8 and text.encode("latin-1", "replace").hex() == told["identity_hex"]
        made |= {"protocol": told["protocol"], "identity": text if plain else told["identity_hex"]}
    link: Json = {"udp" if way.udp else "tcp": str(way.place)}
    if told["protocol"] == "gbt26865" and way.data:
        link["data"] = str(way.place._replace(port=way.data))
    elif told["protocol"] == "qgdw131" and not told["data"]["frames"]:
        link["data"] = "dials_in"
    return made | {"link": link}


def picture(told: Json) -> RenderableType:
    """All of it; faults last, where they are seen."""
    lines = [escape(line) for line in _lines(told)]
    faults = [f"[bold red]![/] {escape(each['what'])}; {escape(each['remedy'])}" for each in told["faults"]]
    ending = [*faults] or ["[green]no faults[/]"]
    if told["answers"]:
        ending += ["", "for the site file:", escape(f"  - {written(told['entry'])}")]
    return Group(*lines, *ending)


def _lines(told: Json) -> Iterator[str]:
    if not told["answers"]:
        if told["tried"]:
            yield f"{told['place']}: no configuration; asked in {', '.join(told['tried'])}"
        return
    who = f"IDCODE {told['stream']}" if "stream" in told else f"IDCODE {told['identity']} ({told['identity_hex']})"
    yield f"{told['place']}: {told['edition']}, {who}"
    cfg = told["configuration"]
    yield (f"{cfg['frame']}: {show_rate(cfg['rate'])}, TIME_BASE {cfg['time_base']}, "
           f"{cfg['data_bytes']} bytes a frame, {len(cfg['stations'])} stations")  # fmt: skip
    for position, station in enumerate(cfg["stations"]):
        period = f", PERIOD {cfg['periods'][position]}" if "periods" in cfg else ""
        yield f"  {station['name']} ({station['id']}), {station['nominal']} Hz{period}"
        yield from _channels(station)
    yield from _measured(told["data"])


def _channels(station: Json) -> Iterator[str]:
    words = station["format"]
    lines = [f"    {each['name']}  {each['unit']}{_scale(each, words['phasors'])}" for each in station["phasors"]]
    lines += [f"    {each['name']}  {each['unit']}{_scale(each, words['analogs'])}" for each in station["analogs"]]
    yield f"    phasors {words['phasors']}, analogs {words['analogs']}, frequency {words['frequency']}"
    yield from lines[:CHANNELS_AT_MOST]
    if len(lines) > CHANNELS_AT_MOST:
        yield f"    … {len(lines) - CHANNELS_AT_MOST} more channels"
    if station["digitals"]:
        yield f"    {len(station['digitals'])} digital words"


def _scale(channel: Json, form: str) -> str:
    """Integers have one."""
    return "" if "float" in form else f"  x {channel['scale']:g}"


def _measured(data: Json) -> Iterator[str]:
    if not data["frames"]:
        yield "no DATA"
        return
    rate = f"{data['rate']:.4g} frames/s" if data["rate"] else "one frame"
    yield f"{data['frames']} DATA frames in {data['seconds']:.1f} s: {rate}"
    yield (f"clock: arrival - time {data['clock_offset_ms']:.1f} ms (spread {data['clock_spread_ms']:.1f} ms), "
           f"stamps {data['off_grid_us']:g} us off the grid at most")  # fmt: skip
    yield "time quality: " + ", ".join(f"{words} ({count}x)" for words, count in _often(data["time_quality"]))
    yield "STAT: " + ", ".join(f"{word} ({count}x)" for word, count in _often(data["status"]["words"]))


def _often(counts: Any) -> list[tuple[str, int]]:
    return Counter(counts).most_common(6)
