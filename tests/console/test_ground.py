from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.ground import Ground, GroundError, background

SQUARE = [[[119, 47], [120, 47], [120, 48], [119, 47]]]


def feature(kind: str, coordinates: Any, name: str = "") -> dict[str, Any]:
    return {"type": "Feature", "properties": {"name": name}, "geometry": {"type": kind, "coordinates": coordinates}}


def written(folder: Path, *features: Any, indent: int | None = None) -> Path:
    path = folder / "map.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=indent))
    return path


def test_areas_ways_and_names(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        feature("Polygon", SQUARE),
        feature("MultiLineString", [[[119, 47], [119.123456, 47.5]]]),
        feature("Point", [119.5, 47.5], "Lakeside"),
        {"type": "Feature", "properties": None, "geometry": None},
    )
    found = background(path)
    assert found == Ground(
        areas=[[(119.0, 47.0), (120.0, 47.0), (120.0, 48.0), (119.0, 47.0)]],
        ways=[[(119.0, 47.0), (119.12346, 47.5)]],
        names=[(119.5, 47.5, "Lakeside")],
    )


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (feature("Polygon", [[[47, 119], [47, 120]]]), "no longitude and latitude"),
        (feature("Circle", [119, 47]), "no geometry 'Circle'"),
        (feature("LineString", 7), "coordinates are no list"),
        (feature("LineString", [[119, float("nan")]]), "no longitude and latitude"),
    ],
)
def test_a_fault_has_its_line(tmp_path: Path, wrong: Any, what: str) -> None:
    path = written(tmp_path, feature("Polygon", SQUARE), wrong, indent=1)
    with pytest.raises(GroundError, match=what) as told:
        background(path)
    lines = path.read_text().splitlines()
    assert '"Feature"' in lines[told.value.line - 1]
    assert sum('"Feature"' in line for line in lines[: told.value.line]) == 2


def test_what_is_no_geojson(tmp_path: Path) -> None:
    path = tmp_path / "map.geojson"
    path.write_text('{"type": "FeatureCollection",\n "features": [}')
    with pytest.raises(GroundError, match="not JSON") as told:
        background(path)
    assert told.value.line == 2
    path.write_text("[1, 2]")
    with pytest.raises(GroundError, match="no GeoJSON"):
        background(path)
