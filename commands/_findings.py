"""What a device that was probed is like: the facts, and its faults in plain words with their remedies."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from commands._asking import Heard
from commands._prober import Found
from commands._wording import WORDINGS, Json
from nodes._settings import show_rate
from protocol import gbt26865
from protocol.c37118.status import CONFIGURATION_CHANGED, TIME_QUALITY, TRIGGERED, UNSYNCHRONISED, usable
from protocol.clock import MICROSECOND, MILLISECOND, SECOND, period
from protocol.gbt26865.common import EDITIONS

BEHIND, AHEAD = SECOND, 20 * MILLISECOND
"""A clock that is so far off is told: what comes late may be the network's doing, what comes early is not."""
RATE_OFF = 0.05
"""Share of its DATA_RATE."""


class Fault(NamedTuple):
    """What is wrong, and what to do about it."""

    what: str
    remedy: str


def report(found: Found) -> Json:
    """All of it, as JSON has it."""
    best = found.best
    told: Json = {"place": str(found.place), "way": "udp" if found.udp else "tcp", "answers": bool(best and best.codec)}
    told["tried"] = [each.tongue.protocol for each in found.heard]
    data = None
    if best and best.codec:
        told |= identity(best) | {"configuration": configuration(best)}
        data = measured(best)
        told["data"] = data
    told["faults"] = [fault._asdict() for fault in faults(found, data)]
    return told


# ── facts ───────────────────────────────────────────────────────────────────────────────────────────────────


def identity(heard: Heard) -> Json:
    """What it speaks, and who it says it is."""
    assert heard.codec
    cfg: Any = heard.codec.cfg
    if heard.tongue.protocol == "c37118":
        newer = cfg.version == 2 or cfg.kind == 3
        edition = "IEEE C37.118.2-2011" if newer else "IEEE C37.118-2005"
        return {"protocol": "c37118", "edition": edition, "stream": cfg.stream}
    who = gbt26865.describe.whose(cfg)
    protocol = "gbt26865" if cfg.version == 3 else "qgdw131"
    return {"protocol": protocol, "edition": EDITIONS[cfg.version], "identity": gbt26865.identity_text(who),
            "identity_hex": who.hex()}  # fmt: skip


def configuration(heard: Heard) -> Json:
    """What its DATA frames hold."""
    assert heard.codec
    cfg: Any = heard.codec.cfg
    words = WORDINGS[heard.tongue.crc]
    stations = [{"id": words.station_id(station), **words.station(station)} for station in cfg.stations]
    told = {"frame": f"CFG-{cfg.kind}", "rate": cfg.rate, "time_base": cfg.time_base, "data_bytes": cfg.data_size}
    periods = [station.period for station in cfg.stations if hasattr(station, "period")]
    return told | ({"periods": periods} if periods else {}) | {"stations": stations}


def measured(heard: Heard) -> Json:
    """What its DATA frames were like."""
    told: Json = {
        "frames": len(heard.frames), "damaged": heard.corrupt, "skipped_bytes": heard.skipped,
        "misfits": sum(count for why, count in heard.refused.items() if why.startswith("DATA")),
        "configuration_changes": heard.changes,
    }  # fmt: skip
    if not heard.frames or heard.codec is None:
        return told
    batch = heard.codec.decode(heard.frames)
    arrivals = np.array(heard.arrivals, np.int64)
    offsets = arrivals - batch.time
    span = int(arrivals[-1] - arrivals[0])
    status = np.stack([station.status for station in batch.stations], axis=1)
    quality = batch.quality & 15
    return told | {
        "seconds": span / SECOND,
        "rate": (len(arrivals) - 1) * SECOND / span if span else None,
        "clock_offset_ms": float(np.median(offsets)) / MILLISECOND,
        "clock_spread_ms": float(np.ptp(offsets)) / MILLISECOND,
        "off_grid_us": float(np.abs(batch.snapped).max()) / MICROSECOND,
        "time_quality": {TIME_QUALITY[code]: int(count) for code, count in zip(*_counted(quality), strict=True)},
        "status": {
            "good": int((status == 0).all(axis=1).sum()),
            "do_not_use": int((~usable(status)).any(axis=1).sum()),
            "unsynchronised": int((status & UNSYNCHRONISED).any(axis=1).sum()),
            "configuration_change": int((status & CONFIGURATION_CHANGED).any(axis=1).sum()),
            "trigger": int((status & TRIGGERED).any(axis=1).sum()),
            "words": {f"{word:#06x}": int(count) for word, count in zip(*_counted(status), strict=True)},
        },
    }


def _counted(values: Any) -> tuple[list[int], list[int]]:
    different, counts = np.unique(values, return_counts=True)
    return different.tolist(), counts.tolist()


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────


def faults(found: Found, data: Json | None) -> list[Fault]:
    """What is wrong with it, the worst first."""
    best = found.best
    if found.unreached is not None:
        return [_unreached(found, found.unreached)]
    if best is None:
        return [_silent(found)]
    if best.codec is None:
        return list(_unconfigured(best))
    assert data is not None
    return [*_without_data(found, best, data), *_with_data(best, data), *_on_the_way(data)]


def _unreached(found: Found, fault: OSError) -> Fault:
    if isinstance(fault, ConnectionRefusedError):
        return Fault(f"nothing listens at {found.place}", "start the device's server, or correct the port")
    if isinstance(fault, socket.gaierror):
        return Fault(f"there is no host {found.place.host!r}", "correct the name, or write its IP address")
    why = "nothing comes back" if isinstance(fault, TimeoutError) else fault.strerror or str(fault)
    return Fault(f"{found.place} can't be reached: {why}", "check network and firewall, and that the device is on")


def _silent(found: Found) -> Fault:
    if found.hung_up:
        return Fault("it takes the connection, says nothing and hangs up",
                     "it may serve one master at a time, or certain addresses only: see its settings")  # fmt: skip
    if found.udp:
        return Fault(f"nothing comes from {found.place} over UDP", "check port and firewall; or try without --udp")
    return Fault("it takes the connection and is silent",
                 "many devices answer commands to their own IDCODE only: give it with --stream (or --identity); "
                 "or it speaks another protocol on this port")  # fmt: skip


def _unconfigured(heard: Heard) -> Iterator[Fault]:
    """Bytes came, and no configuration."""
    if not heard.sound:
        remedy = "a bad line or gateway; or another protocol on this port"
        what = f"{heard.corrupt} frames with bad check words" if heard.corrupt else f"{heard.size} bytes of no frame"
        yield Fault(f"it answers with {what}", remedy)
        return
    if not heard.refused:
        streams = ", ".join(map(str, heard.streams))
        of = f" of stream {streams}" if streams else ""
        yield Fault(f"it sends frames of {heard.tongue.title}{of} and tells no configuration",
                    f"ask for it by its IDCODE (--stream {streams})" if streams else "give --identity")  # fmt: skip
    for why in heard.refused:
        other = next(iter(heard.streams), None)
        yield Fault(why, f"another IDCODE: try --stream {other}" if other and "stream" in why else _WRONG_INSIDE)


_WRONG_INSIDE = "its configuration is wrong: tell its vendor, with a capture (syms decode shows it)"


def _without_data(found: Found, heard: Heard, data: Json) -> Iterator[Fault]:
    for why, count in heard.refused.items():
        if not why.startswith("DATA: "):
            yield Fault(why, _WRONG_INSIDE)
        elif "on a link of" in why:
            yield Fault(f"{count}x {why[6:]}", "it sends a further stream: give that an entry of its own")
        else:
            yield Fault(f"{count}x {why[6:]}: configuration and DATA don't fit",
                        "restart its server; its vendor should know")  # fmt: skip
    if data["frames"]:
        return
    if found.no_data_pipe:
        yield Fault(f"its connection for DATA: {found.no_data_pipe}", "correct --data PORT")
    elif heard.tongue.crc == "gbt26865" and not found.udp and not data["misfits"]:
        yield Fault("DATA come on a connection of their own, which was not dialled",
                    "listen to it with --data PORT; who dials the station for them has data: dials_in")  # fmt: skip
    elif not data["misfits"]:
        yield Fault("it tells its configuration, and sends no DATA",
                    "switch its DATA on; if it sends them over UDP, write link: {tcp: …, udp: PORT}")  # fmt: skip


def _with_data(heard: Heard, data: Json) -> Iterator[Fault]:
    if not data["frames"]:
        return
    assert heard.codec
    status, frames = data["status"], data["frames"]
    if status["do_not_use"]:
        yield Fault(f"{_share(status['do_not_use'], frames)} say that they are not to be used (STAT bits 15-14)",
                    "it is in test mode or has a fault: see its display")  # fmt: skip
    if status["unsynchronised"]:
        yield Fault(f"{_share(status['unsynchronised'], frames)} say that it is not synchronised (STAT bit 13)",
                    "check its time source: antenna, cable, IRIG-B or PTP")  # fmt: skip
    bad = [words for words in data["time_quality"] if words != TIME_QUALITY[0]]
    if bad:
        yield Fault(f"its time quality: {', '.join(bad)}", "check its time source: antenna, cable, IRIG-B or PTP")
    yield from _clock(data["clock_offset_ms"] * MILLISECOND)
    wanted = heard.codec.cfg.rate
    expected = SECOND / period(wanted)
    if data["rate"] is not None and frames >= 3 and abs(data["rate"] / expected - 1) > RATE_OFF:
        yield Fault(f"it sends {data['rate']:.4g} frames a second, its configuration says {show_rate(wanted)}",
                    "correct its DATA_RATE; or the line loses frames")  # fmt: skip


def _clock(offset: float) -> Iterator[Fault]:
    """`offset` [ns]: arrival less its time."""
    if offset > BEHIND or offset < -AHEAD:
        way = "behind" if offset > 0 else "ahead of"
        yield Fault(f"its clock is {_span(abs(offset))} {way} this machine's",
                    "one of the two is wrong: check its time source, and ours (chronyc tracking)")  # fmt: skip


def _on_the_way(data: Json) -> Iterator[Fault]:
    if data["damaged"]:
        yield Fault(f"{data['damaged']} frames had bad check words", "a bad line, or a gateway between")
    if data["skipped_bytes"]:
        yield Fault(f"{data['skipped_bytes']} bytes were of no frame", "a bad line, or a gateway between")
    if data["configuration_changes"]:
        yield Fault(f"it told another configuration {data['configuration_changes']}x while we listened",
                    "what is shown is the last one")  # fmt: skip


def _share(count: int, frames: int) -> str:
    return f"{count} of {frames} frames"


def _span(ns: float) -> str:
    """Of a clock, as a person says it."""
    seconds = ns / SECOND
    if seconds < 10:
        return f"{seconds * 1000:.4g} ms" if seconds < 1 else f"{seconds:.3g} s"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
