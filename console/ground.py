"""What a map shows beside devices: an own background (GeoJSON) and the lines of the network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POINTS_AT_MOST = 200_000
"""Of a background: more would make browsers slow."""
Way = list[tuple[float, float]]
"""Longitude, latitude [degrees] of its points."""


class GroundError(Exception):
    """A background can't be used: what is wrong, with its line, and the remedy."""

    def __init__(self, line: int, what: str, remedy: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line, self.what, self.remedy = line, what, remedy


@dataclass(frozen=True)
class Ground:
    """See the module."""

    areas: list[Way] = field(default_factory=list)
    """Rings of polygons."""
    ways: list[Way] = field(default_factory=list)
    lines: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    """Of the network: longitude, latitude of both ends, and how it is called."""
    names: list[tuple[float, float, str]] = field(default_factory=list)
    """Longitude, latitude, name of the background's points."""
    at: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Latitude, longitude of the bus of links (by number) that say no place themselves."""


def background(path: Path) -> Ground:
    """Areas, ways and named points of a GeoJSON file (RFC 7946). Raises GroundError, OSError."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        told = json.loads(text)
    except json.JSONDecodeError as fault:
        raise GroundError(fault.lineno, f"not JSON: {fault.msg}", "correct the file, or leave background out") from None
    found = Ground()
    count = 0
    for place, geometry, name in _geometries(told):
        count += _take(found, geometry, name, _line(text, place))
        if count > POINTS_AT_MOST:
            raise GroundError(1, f"more than {POINTS_AT_MOST} points", "simplify it (mapshaper, ogr2ogr -simplify)")
    if count == 0:
        raise GroundError(1, "no GeoJSON with areas, ways or points", "give a FeatureCollection in WGS 84 (RFC 7946)")
    return found


def _geometries(told: Any) -> Iterator[tuple[int, Any, str]]:
    """(place among the features, geometry, name)."""
    if not isinstance(told, dict):
        return
    features = told.get("features") if told.get("type") == "FeatureCollection" else [told]
    for place, feature in enumerate(features if isinstance(features, list) else ()):
        if not isinstance(feature, dict):
            continue
        whole = feature.get("type") == "Feature"
        named = feature.get("properties") if whole else None
        name = str(named.get("name") or "") if isinstance(named, dict) else ""
        geometry = feature.get("geometry") if whole else feature
        if isinstance(geometry, dict) and geometry.get("type") == "GeometryCollection":
            yield from ((place, each, name) for each in geometry.get("geometries") or ())
        elif geometry is not None:
            yield place, geometry, name


def _line(text: str, place: int) -> int:
    """Where the place-th feature begins."""
    at = -1
    for _ in range(place + 1):
        at = text.find('"Feature"', at + 1)
    return text.count("\n", 0, max(at, 0)) + 1


def _take(found: Ground, geometry: Any, name: str, line: int) -> int:
    """Add it; how many points it has."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    depth = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
    if kind not in depth:
        raise GroundError(line, f"no geometry {kind!r}", f"use one of {', '.join(depth)}")
    ways = list(_ways(geometry.get("coordinates"), depth[kind], line))
    if kind.endswith("Polygon"):
        found.areas.extend(ways)
    elif kind.endswith("LineString"):
        found.ways.extend(ways)
    else:
        found.names.extend((*point, name) for way in ways for point in way if name)
    return sum(len(way) for way in ways)


def _ways(coordinates: Any, depth: int, line: int) -> Iterator[Way]:
    if depth == 0:
        yield [_point(coordinates, line)]
    elif not isinstance(coordinates, list):
        raise GroundError(line, "coordinates are no list", "correct the feature")
    elif depth == 1:
        yield [_point(each, line) for each in coordinates]
    else:
        for each in coordinates:
            yield from _ways(each, depth - 1, line)


def _point(told: Any, line: int) -> tuple[float, float]:
    if (
        not isinstance(told, list)
        or len(told) < 2
        or not all(isinstance(each, int | float) and math.isfinite(each) for each in told[:2])
        or not (-180 <= told[0] <= 180 and -90 <= told[1] <= 90)
    ):
        raise GroundError(line, f"no longitude and latitude: {told!r:.60}", "give WGS 84 degrees, longitude first")
    return round(float(told[0]), 5), round(float(told[1]), 5)
