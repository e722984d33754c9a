"""A configuration frame told to the other nodes: one `messages.Configuration` per station."""

from __future__ import annotations

import math
from typing import Any

from protocol.c37118.configuration import (
    FLOAT_ANALOGS,
    FLOAT_FREQUENCY,
    FLOAT_PHASORS,
    POLAR,
    ConfigurationFrame,
    Phasor,
    Station,
)
from protocol.messages import Configuration, Table, device_number

COMPONENTS = ("zero", "positive", "negative", "", "A", "B", "C", "")


def configurations(
    cfg: ConfigurationFrame,
    link: int,
    link_name: str,
    version: int,
    *,
    region: str = "",
    latitude: float = math.nan,
    longitude: float = math.nan,
    elevation: float = math.nan,
) -> list[Configuration]:
    """One message per station, in order. Coordinates given (those of the site file) win over CFG-3's."""

    def place(given: float, told: float) -> float:
        return given if math.isfinite(given) else told if math.isfinite(told) else math.nan

    return [
        Configuration(
            device=device_number(link, position),
            version=version,
            link=link_name,
            stream=cfg.stream,
            station=station.idcode,
            name=station.name,
            protocol="c37118",
            table=Table(cfg.rate, len(station.phasors), len(station.analogs), len(station.digitals)).key,
            time_base=cfg.time_base,
            nominal=station.nominal,
            count=station.changes,
            phasors=[phasor.name for phasor in station.phasors],
            phasor_units=[phasor.unit for phasor in station.phasors],
            analogs=[analog.name for analog in station.analogs],
            analog_units=[analog.unit for analog in station.analogs],
            digitals=[list(digital.labels) for digital in station.digitals],
            digital_normal=[digital.normal for digital in station.digitals],
            digital_valid=[digital.valid for digital in station.digitals],
            region=region,
            latitude=place(latitude, station.latitude),
            longitude=place(longitude, station.longitude),
            elevation=place(elevation, station.elevation),
            detail=_detail(cfg, station),
        )
        for position, station in enumerate(cfg.stations)
    ]


def describe_format(word: int) -> dict[str, Any]:
    """FORMAT in words."""
    return {
        "word": word,
        "phasors": f"{'float32' if word & FLOAT_PHASORS else 'int16'} {'polar' if word & POLAR else 'rectangular'}",
        "analogs": "float32" if word & FLOAT_ANALOGS else "int16",
        "frequency": "float32" if word & FLOAT_FREQUENCY else "int16",
    }


def _detail(cfg: ConfigurationFrame, station: Station) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "frame": f"CFG-{cfg.kind}",
        "version": cfg.version,
        "format": describe_format(station.format),
        "phasor_scales": [phasor.scale for phasor in station.phasors],
        "analog_scales": [analog.scale for analog in station.analogs],
    }
    if cfg.kind == 3:
        detail |= {
            "global_id": station.global_id.hex(),
            "service_class": station.service,
            "window_us": station.window,
            "group_delay_us": station.delay,
            "phasor_channels": [_phasor_detail(phasor) for phasor in station.phasors],
            "analog_offsets": [analog.offset for analog in station.analogs],
        }
    return detail


def _phasor_detail(phasor: Phasor) -> dict[str, Any]:
    return {
        "component": COMPONENTS[phasor.component],
        "angle_offset_rad": phasor.offset,
        "modified": phasor.modified,
        "user": phasor.user,
    }
