"""The compiled decomposition against PyEMD, which is the reference."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms import emd, kernels
from algorithms.emd import intrinsic_modes
from algorithms.kernels import sift
from algorithms.registry import WindowData
from algorithms.windows import fill
from benchmarks._signals import KINDS, signal

MAX_MODES, MAX_SIFTS = 12, 100


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference of any sample of any mode, relative to the size of the signal's deviations."""
    assert ours.shape == theirs.shape
    scale = float(np.std(theirs.sum(axis=0))) or 1.0
    return float(np.abs(ours - theirs).max()) / scale


def compare(x: np.ndarray) -> float:
    return difference(intrinsic_modes(x), intrinsic_modes(x, sift="pyemd"))


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean()) / x.std())


@pytest.mark.parametrize("kind", KINDS)
def test_modes_of_a_window_are_those_of_pyemd(kind: str):
    assert compare(signal(kind, 1500, seed=11)) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", KINDS)
def test_modes_of_long_windows_are_those_of_pyemd(kind: str, seed: int):
    assert compare(signal(kind, 9000, seed)) < 1e-10


def scenarios(folder: Path, every: int) -> Iterator[np.ndarray]:
    """Windows of the labelled scenarios with their gaps filled, as the trigger does it."""
    spec = importlib.util.spec_from_file_location("scenario_reader", folder / "load.py")
    assert spec
    assert spec.loader
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    some = reader.Set(str(folder))
    for label in some.labels[::every]:
        for values in some.data(label["id"])["freq"]:
            if filled := fill(values, 50):
                yield filled[0].astype(np.float64)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_modes_of_labelled_scenarios_are_those_of_pyemd(shared: Path):
    worst, count = 0.0, 0
    for x in scenarios(shared / "data" / "scenarios", every=10):
        worst, count = max(worst, compare(x)), count + 1
    assert count > 50
    assert worst < 1e-10


def reference() -> Any:
    """Loads all of matplotlib: only for who runs these tests."""
    from PyEMD.EMD import EMD

    return EMD(MAX_ITERATION=MAX_SIFTS)


STEPS = st.lists(st.integers(-3, 3), min_size=2, max_size=60)


@settings(max_examples=60)
@given(STEPS, st.integers(1, 3))
def test_extrema_and_crossings_of_plateaus_and_ties_are_those_of_pyemd(steps: list[int], long: int):
    x = np.repeat(np.array(steps, dtype=np.float64), long)
    top, bottom = np.zeros(x.size, np.int64), np.zeros(x.size, np.int64)
    tops, bottoms = sift.find_extrema(x, top, bottom)
    highest, _, lowest, _, zeros = reference().find_extrema(np.arange(x.size), x)
    assert top[:tops].tolist() == highest.tolist()
    assert bottom[:bottoms].tolist() == lowest.tolist()
    assert sift.crossings(x) == len(zeros)


@settings(max_examples=60)
@given(st.integers(0, 1 << 32), st.integers(4, 80), st.sampled_from(["normal", "rounded", "flat"]))
def test_short_signals_have_the_modes_of_pyemd(seed: int, n: int, kind: str):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    if kind == "flat":
        x = np.repeat(x[: n // 3 + 1], 3)[:n]
    elif kind == "rounded":
        x = np.round(x, 2)
    modes, found = sift.decompose(unit(x), MAX_MODES, MAX_SIFTS)
    if found != sift.STRANGE:
        sifter = reference()
        sifter.emd(unit(x), max_imf=MAX_MODES)
        theirs, residue = sifter.get_imfs_and_residue()
        assert difference(modes, np.concatenate([theirs, residue[None]])) < 1e-9


def test_modes_end_where_they_are_told_to():
    x = signal("walk", 1500, seed=1)
    for most in (1, 3):
        few = intrinsic_modes(x, max_modes=most)
        assert len(few) == most + 1
        assert difference(few, intrinsic_modes(x, max_modes=most, sift="pyemd")) < 1e-10


def test_what_the_kernel_finds_strange_pyemd_decides(monkeypatch: pytest.MonkeyPatch):
    x = signal("walk", 500, seed=2)
    theirs = intrinsic_modes(x, sift="pyemd")
    monkeypatch.setattr(sift, "decompose", lambda *_: (np.zeros((1, 500)), sift.STRANGE))
    assert np.array_equal(intrinsic_modes(x), theirs)


def test_the_judgement_is_the_same_whoever_decomposes():
    for kind in ("walk", "trip", "oscillation", "rounded"):
        x = signal(kind, 1500, seed=3).astype(np.float32)
        window = WindowData(
            np.zeros(1, np.uint32), 0, 50.0, ["frequency"], x[None, None], np.zeros((1, 1500), np.uint8)
        )
        ours, theirs = (emd.judge(window, emd.Settings(sift=sift)) for sift in ("compiled", "pyemd"))
        assert (ours.suspicious, ours.onset, ours.detail) == (theirs.suspicious, theirs.onset, theirs.detail)
        assert ours.score == pytest.approx(theirs.score, rel=1e-9)


def test_code_that_cannot_be_kept_is_compiled_anew_with_a_warning(monkeypatch: pytest.MonkeyPatch):
    numba = importlib.import_module("numba")

    def njit(cache: bool = False, **_: object) -> Callable[[Callable[[], int]], Callable[[], int]]:
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    with pytest.warns(RuntimeWarning, match="compiled anew at each start"):
        assert kernels.compiled(lambda: 7)() == 7


def test_another_fault_of_the_compiler_is_told(monkeypatch: pytest.MonkeyPatch):
    def njit(**_: object) -> None:
        raise RuntimeError("no such option")

    monkeypatch.setattr(importlib.import_module("numba"), "njit", njit)
    with pytest.raises(RuntimeError, match="no such option"):
        kernels.compiled(lambda: 7)
