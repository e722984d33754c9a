"""Intrinsic mode functions of what a device measured, made in a process of their own: `python -m console.modes`.

Compiling, where nobody filled the cache (`syms compile`), takes many seconds in which the pages would stand still.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archive.clips import Trace
from console.eventrecord import step_of
from protocol.clock import SECOND

F8 = NDArray[np.float64]
AT_MOST = 7
"""Modes that are shown; slower ones are as good as a trend, and go into the residue."""
LEAST = 16
"""Values that are needed."""
NICE = 15
PATIENCE = 120.0
"""Seconds that it has."""


@dataclass(frozen=True)
class Modes:
    """Modes of a frequency, fastest first, and what is left of it."""

    start: int
    """ns UTC"""
    step: int
    values: F8
    """[k, n] mHz; the last one is the residue, from nominal"""
    period: F8
    """[k] s; inf: none"""


def modes_of(found: Trace) -> Modes:
    """Of the frequency of a trace, gaps filled with straight lines. Takes a second or more: call it in a thread.

    Raises ValueError for too few values, OSError if the other process failed.
    """
    x = (found.frequency.astype(np.float64) - found.nominal) * 1000
    there = np.isfinite(x)
    if there.sum() < LEAST:
        raise ValueError("too few values")
    step = step_of(found.time)
    asked = io.BytesIO()
    np.save(asked, np.interp(found.time, found.time[there], x[there]))
    command = [sys.executable, "-m", "console.modes", str(step / SECOND)]
    try:
        done = subprocess.run(command, input=asked.getvalue(), capture_output=True, timeout=PATIENCE, check=True)
    except subprocess.CalledProcessError as fault:
        raise OSError(fault.stderr.decode(errors="replace").strip().rpartition("\n")[2]) from fault
    except subprocess.TimeoutExpired as fault:
        raise OSError(f"not ready after {PATIENCE:g} s") from fault
    told = io.BytesIO(done.stdout)
    values, period = np.load(told), np.load(told)
    return Modes(int(found.time[0]), step, values, period)


def decomposed(x: F8, seconds: float) -> tuple[F8, F8]:
    """(modes and residue [k, n], mean period [s] of each [k]) of x [n] with so many seconds between two values."""
    from algorithms.emd import intrinsic_modes, mean_period

    found = intrinsic_modes(x)
    if len(found) > AT_MOST + 1:
        found = np.concatenate([found[:AT_MOST], found[AT_MOST:].sum(axis=0, keepdims=True)])
    return found, mean_period(found, 1 / seconds)


def main() -> None:
    """Values from standard input, what `decomposed` returns to standard output; as .npy."""
    os.nice(NICE)
    asked = np.load(io.BytesIO(sys.stdin.buffer.read()))
    told = io.BytesIO()
    for each in decomposed(asked, float(sys.argv[1])):
        np.save(told, each)
    sys.stdout.buffer.write(told.getvalue())


if __name__ == "__main__":
    main()
