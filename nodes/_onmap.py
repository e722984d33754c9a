"""The network of a site as a map shows it: its lines, and where devices without coordinates are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from console.ground import Ground
from nodes import _grid
from nodes._site import Site


def ground(site: Site, under: Ground) -> Ground:
    """`under` with the lines whose ends have a place, and the places of links at buses. Raises Faulty."""
    if site.network is None:
        return under
    grid = _grid.load(site.network, site.devices)
    network = grid.network
    place = np.stack([network.longitude, network.latitude], axis=1).round(5)
    known = [not np.isnan(each).any() for each in place]
    lines = [
        (*place[start].tolist(), *place[stop].tolist(), name)
        for start, stop, name in zip(network.start, network.stop, network.names, strict=True)
        if known[start] and known[stop]
    ]
    at = {link: (float(place[bus][1]), float(place[bus][0])) for link, bus in grid.bus.items() if known[bus]}
    return replace(under, lines=lines, at=at)
