"""What a master chooses of a CFG-1: the CFG-2 that it downloads.

It is cut out of the bytes that the substation told, since that has to know its own names again: padded as they were,
doubled, or no GBK at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from protocol.c37118.configuration import LABELS
from protocol.c37118.names import FIELD
from protocol.gbt26865.common import V2, Frame
from protocol.gbt26865.configuration import (
    Analog,
    ConfigurationFrame,
    Digital,
    Phasor,
    Station,
    encode_configuration,
    parse_configuration,
)
from protocol.gbt26865.frames import parse

Channel = Phasor | Analog | Digital
Keep = Callable[[Station, Channel], bool]
BLOCK_HEAD = 26
"""Bytes of STN, IDCODE and FORMAT."""


def choose(
    capability: ConfigurationFrame, keep: Keep = lambda station, channel: True, period: int | None = None
) -> ConfigurationFrame | None:
    """The CFG-2 with these channels of a CFG-1, all stations at this PERIOD (None: each at its own).

    A station of which no channel is kept is left out; None if no station is left. Raises ValueError if the period is
    not 1..65535.
    """
    if period is not None and not 0 < period <= 0xFFFF:
        raise ValueError(f"PERIOD {period} is not 1..65535")
    if not capability.body:
        told = parse(encode_configuration(capability))
        assert isinstance(told, ConfigurationFrame)
        capability = told
    body, at = capability.body, 8 if capability.version == V2 else 6
    blocks = []
    for station in capability.stations:
        block, at = _cut(body, at, station, keep)
        if block:
            blocks.append(block if period is None else block[:-2] + period.to_bytes(2, "big"))
    if not blocks:
        return None
    start = body[: 6 if capability.version == V2 else 4]
    cut = start + len(blocks).to_bytes(2, "big") + b"".join(blocks)
    fields = Frame(identity=capability.identity, soc=capability.soc, version=capability.version)
    return replace(parse_configuration(fields, 2, cut), count=capability.count, quality=capability.quality)


def _cut(body: bytes, at: int, station: Station, keep: Keep) -> tuple[bytes, int]:
    """(what is kept of the block at `at`, empty if nothing is; where the next one begins)."""
    kinds: list[tuple[Channel, ...]] = [station.phasors, station.analogs, station.digitals]
    kept = [[k for k, channel in enumerate(channels) if keep(station, channel)] for channels in kinds]
    widths = [FIELD, FIELD, FIELD * LABELS, 4, 4, 4]
    head, at = body[at : at + BLOCK_HEAD], at + BLOCK_HEAD + 6
    parts = [head, *(len(each).to_bytes(2, "big") for each in kept)]
    for fields, chosen, width in zip(kinds * 2, kept * 2, widths, strict=True):
        parts += _picked(body, at, chosen, width)
        at += width * len(fields)
    parts.append(body[at : at + 4])
    return b"".join(parts) if any(kept) or not any(kinds) else b"", at + 4


def _picked(body: bytes, at: int, chosen: list[int], width: int) -> Iterator[bytes]:
    return (body[at + k * width : at + (k + 1) * width] for k in chosen)
