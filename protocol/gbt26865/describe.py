"""A configuration frame told to the other nodes: one `messages.Configuration` per station."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.c37118 import describe
from protocol.gbt26865.common import EDITIONS, V2, identity_text
from protocol.gbt26865.configuration import ConfigurationFrame, Station
from protocol.messages import Configuration, Table


def configurations(
    cfg: ConfigurationFrame,
    link: int,
    link_name: str,
    version: int,
    **place: Any,
) -> list[Configuration]:
    """One message per station, in order, with protocol `gbt26865`; `place` as of `c37118.configurations`.

    The protocol has no IDCODEs of 16 bits: `stream` and `station` are 0 in all of them, and it would be wrong to take
    devices for one another because these are the same. Who it is stands in `link` (a name in the site file or, for want
    of it, the substation's IDCODE as text) and in `detail`: `identity` of the frame (V3; V2 has none) and
    `station_identity` of the block, as text, and the same in hex with `_hex`. There is no CFGCNT: `count` is 0.
    """
    told = describe.configurations(
        cfg,
        link,
        link_name or identity_text(whose(cfg)),
        version,
        **place,
    )
    return [
        replace(
            each,
            protocol="gbt26865",
            table=Table(station.rate, *each.table[1:]).key,
            detail=each.detail | _detail(cfg, station),
        )
        for each, station in zip(told, cfg.stations, strict=True)
    ]


def whose(cfg: ConfigurationFrame) -> bytes:
    """IDCODE of the substation: that of the frame, in V2, whose configurations have none, of its first block."""
    return cfg.identity or cfg.stations[0].identity


def _detail(cfg: ConfigurationFrame, station: Station) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "edition": EDITIONS[cfg.version],
        "station_identity": identity_text(station.identity),
        "station_identity_hex": station.identity.hex(),
        "period": station.period,
    }
    if cfg.version == V2:
        return detail | {"check_kind": cfg.check_kind}
    return detail | {"identity": identity_text(cfg.identity), "identity_hex": cfg.identity.hex()}
