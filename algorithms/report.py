"""A judgement as plain values: what a detector answers, what a study writes, what an event's record keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from algorithms.damping import Oscillation
from algorithms.judgement import Judged

Report = dict[str, Any]


def report(judged: Judged) -> Report:
    """Devices are places in the window, spans samples, times seconds in the window; None = not known."""
    found, kind, place = judged.detection, judged.kind, judged.place
    return {
        "disturbance": bool(found.disturbance),
        "score": number(found.score, 4),
        "onset": number(found.onset, 3),
        "kind": kind.name,
        "confidence": kind.confidence,
        "probabilities": kind.probabilities,
        "rules": kind.rules,
        "size_mhz": number(kind.size_mhz, 2),
        "size_mw": number(judged.size_mw, 1),
        "arrival": [number(each, 3) for each in found.arrivals],
        "amplitude": [number(each, 3) for each in found.amplitude],
        "bad": [
            {
                "device": flag.device,
                "kind": str(flag.kind),
                "start": flag.start,
                "stop": flag.stop,
                "score": number(flag.score, 2),
                "detail": flag.detail,
            }
            for flag in judged.assessed.flags
        ],
        "nearest": place.nearest if place else [],
        "latitude": number(place.latitude, 4) if place else None,
        "longitude": number(place.longitude, 4) if place else None,
        "ellipse": [number(size, 1) for size in place.ellipse] if place and np.isfinite(place.latitude) else [],
        "detection": found.detail,
        "location": place.detail if place else {},
        "oscillation": _oscillation(judged.oscillation) if judged.oscillation else {},
    }


def _oscillation(swing: Oscillation) -> Report:
    """`energy` by band: root mean square after the onset [mHz], and times that before."""
    mode = swing.mode
    return {
        "hz": number(mode.hertz, 4) if mode else None,
        "damping": number(mode.damping, 4) if mode else None,
        "damping_error": number(mode.error, 4) if mode else None,
        "energy": {
            band: {"mhz": number(each.mhz, 3), "times": number(each.times, 2)} for band, each in swing.energy.items()
        },
    }


def number(x: float, digits: int) -> float | None:
    """Rounded; None if it is none."""
    return round(float(x), digits) if np.isfinite(x) else None
