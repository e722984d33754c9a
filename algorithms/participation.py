"""Who takes part in an oscillation, and where its energy comes from.

- Mode shape: amplitude and phase of each device's frequency at the line, against the device that swings most
  ([Kundur1994], 12.2.3; its observable part, as phasors show it).
- Dissipating energy flow ([Maslennikov2017], "Dissipating energy flow method for locating the source of sustained
  oscillations", Int. J. Electr. Power Energy Syst. 88): W = ∫ ΔP dΔθ + ∫ ΔQ d ln V of the power that flows from a
  device's plant into the grid rises where the plant feeds the oscillation and falls where it damps it. Over a line of
  the spectrum its mean rise is Σ Re(P·conj(jω θ)) + Re(Q·conj(jω ln V)). Amplitudes mislead where a mode resonates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.oscillating import LOBE, Line
from algorithms.responses import CLEAR, Response

F8 = NDArray[np.float64]


def shape(line: Line) -> dict[str, Any]:
    """`hz`, and by device `swing` [mHz] and `phase` [degrees] against the strongest; None = not known."""
    swing = 1e3 * line.spectra["frequency"][:, line.bin]
    known = np.isfinite(swing)
    if not known.any():
        return {}
    strongest = int(np.argmax(np.where(known, np.abs(swing), -1.0)))
    phase = np.degrees(np.angle(np.where(known, swing, 1.0) * np.conj(swing[strongest])))
    return {
        "hz": round(line.hertz, 4),
        "swing": [round(float(abs(each)), 3) if ok else None for each, ok in zip(swing, known, strict=True)],
        "phase": [round(float(each), 1) if ok else None for each, ok in zip(phase, known, strict=True)],
    }


def energy(line: Line) -> Response | None:
    """How fast the energy [MW·rad/s] grows that each device's plant feeds the oscillation with; `signed` < 0: it damps.

    None where no power is measured, or no plant clearly feeds it: then its source is not among them.
    """
    if not {"active", "reactive"} <= line.spectra.keys():
        return None
    lobe = np.arange(line.bin - LOBE, line.bin + LOBE + 1)
    omega = 2.0 * np.pi * line.step * lobe
    turning = 2.0 * np.pi * line.spectra["frequency"][:, lobe]
    stretching = 1j * omega * line.spectra["magnitude"][:, lobe]  # magnitudes are per unit: d ln V = dV
    active, reactive = (line.spectra[name][:, lobe] for name in ("active", "reactive"))
    # half: mean of a product of two sines; two thirds: what a Hann window's bins hold of a line's power together
    flow = np.sum((active * turning.conj() + reactive * stretching.conj()).real, axis=1) / 2.0 * (2.0 / 3.0)
    spread = {name: line.noise[name][:, None] for name in ("frequency", "magnitude", "active", "reactive")}
    noise = (
        np.abs(active * 2.0 * np.pi * spread["frequency"]) ** 2
        + np.abs(turning * spread["active"]) ** 2
        + np.abs(reactive * omega * spread["magnitude"]) ** 2
        + np.abs(stretching * spread["reactive"]) ** 2
    )
    noise = np.sqrt(np.sum(noise, axis=1)) / 2.0 * (2.0 / 3.0)
    if not np.any(flow > CLEAR * noise):
        return None
    return Response("energy", np.maximum(flow, 0.0), noise, flow)
