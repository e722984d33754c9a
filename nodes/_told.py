"""What the other nodes hear of a link's configuration."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import msgpack

from nodes._tongues import Tongue
from protocol.c37118 import ConfigurationFrame
from protocol.messages import Configuration

_CONTENT = [
    name for name in Configuration.__dataclass_fields__ if name not in ("node", "epoch", "number", "version", "device")
]


def told(tongue: Tongue, cfg: ConfigurationFrame, number: int, identity: dict[str, Any]) -> list[Configuration]:
    """One message per station of link `number`, and per spectrum of it; `identity` is its entry in the site file.

    The version follows from the content, so that receivers need not agree on one.
    """
    place = {key: identity[key] for key in ("latitude", "longitude", "elevation") if identity.get(key) is not None}
    said = tongue.configurations(cfg, number, identity, region=identity.get("region", ""), **place)
    said = [_with_units(each, identity.get("analogs", {})) for each in said]
    version = zlib.crc32(msgpack.packb([_content(each) for each in said]))
    return [replace(each, version=version) for each in said]


def _content(message: Configuration) -> list[Any]:
    """As versions were reckoned before there were components."""
    return [getattr(message, name) for name in _CONTENT if name != "components" or message.components]


def _with_units(message: Configuration, analogs: dict[str, Any]) -> Configuration:
    named = zip(message.analogs, message.analog_units, strict=True)
    return replace(message, analog_units=[analogs.get(name, {}).get("unit") or unit for name, unit in named])
