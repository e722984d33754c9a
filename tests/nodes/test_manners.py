"""How a device behaves, by its numbers: bites, noise, rates, configurations, times that stand still."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.plausibility import use_kernels
from nodes._manners import BITE, BURST, FORGIVEN, TIMES, Configurations, Manners, Rates
from nodes._oddities import Times
from nodes._peek import CHUNK
from nodes._tongues import Tongue
from protocol.c37118 import encode_configuration, parse
from protocol.c37118.configuration import ConfigurationFrame
from protocol.clock import SECOND, Now
from tests.scenes import configuration, told

EVERY = 10 * SECOND


def at(seconds: float) -> Now:
    return Now(int((1000 + seconds) * SECOND), 0)


# ── bites ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_brings_data_is_read_in_ever_larger_steps() -> None:
    manners = Manners()
    sizes = []
    for turn in range(8):
        sizes.append(manners.room)
        manners.brought(manners.room, manners.room, 0, at(turn / 50))
    assert sizes == [BITE << k for k in range(5)] + [CHUNK] * 3
    assert (manners.wasteful, manners.noise) == (False, 0)


def test_who_brings_what_is_of_no_use_is_read_in_small_bites() -> None:
    manners = Manners(CHUNK)
    manners.brought(CHUNK, CHUNK // 4, 0, at(0))
    assert (manners.room, manners.wasteful) == (BITE, True)
    manners.brought(500, 500, 0, at(1))
    assert not manners.wasteful


def test_a_little_noise_among_data_changes_nothing() -> None:
    manners = Manners(CHUNK)
    for turn in range(1000):
        manners.brought(1000, 600, 0, at(turn / 50))
        assert not manners.wasteful
        assert manners.noise < FORGIVEN


def test_noise_adds_up_beyond_what_is_forgiven() -> None:
    manners = Manners()
    for turn in range(101):
        manners.brought(BITE, 0, 0, at(turn / 50))
    assert manners.noise == pytest.approx(101 * BITE - 2 * FORGIVEN, rel=0.01)
    manners.brought(0, 0, 0, at(1000))
    assert manners.noise == 0


def test_data_that_wait_are_no_noise() -> None:
    manners = Manners()
    manners.brought(50_000, 0, 50_000, at(0))
    assert (manners.noise, manners.wasteful) == (0, True)


# ── rates ───────────────────────────────────────────────────────────────────────────────────────────────────────


def taken(rates: Rates, declared: int, a_second: int, seconds: int, since: int = 0) -> int:
    """Frames taken of so many a second."""
    steps = [at(since + step / 50) for step in range(50 * seconds)]
    return sum(rates.allowed(1, declared, a_second // 50, now) for now in steps)


def test_its_own_rate_is_always_taken() -> None:
    assert taken(Rates(1000, SECOND), 50, 50, 600) == 600 * 50


@pytest.mark.parametrize(("declared", "long_run"), [(50, TIMES * 50), (1000, 1000), (32767, 1000)])
def test_ten_thousand_frames_a_second_are_too_many(declared: int, long_run: int) -> None:
    rates = Rates(1000, 10 * SECOND)
    burst = max(10, 2 * TIMES) * min(declared, 1000)
    assert taken(rates, declared, 10_000, 100) == pytest.approx(burst + 100 * long_run, rel=0.02)


def test_what_was_held_back_for_an_hour_is_taken_at_once() -> None:
    rates = Rates(1000, 3600 * SECOND)
    assert rates.allowed(1, 50, 3600 * 50, at(0)) == 3600 * 50
    assert rates.allowed(1, 50, 1000, at(0)) == 0
    assert rates.allowed(1, 50, 1000, at(1)) == TIMES * 50
    assert rates.allowed(2, 50, 1000, at(1)) == 1000, "another device's account is its own"


def test_a_frame_every_ten_seconds() -> None:
    rates = Rates(1000, SECOND)
    assert [rates.allowed(1, -10, 1, at(10 * turn)) for turn in range(100)] == [1] * 100


# ── configurations ──────────────────────────────────────────────────────────────────────────────────────────────


def may_tell(limit: Configurations, address: str, frame: bytes, cfg: ConfigurationFrame | None, now: Now) -> bool:
    spoken = Tongue()
    return limit.may_tell((address, spoken.stream(frame)), *spoken.body(frame), cfg, now)


def changed(number: int, stream: int = 7) -> bytes:
    return told(configuration(stream, name=f"S{number}"))


def test_configurations_are_taken_so_often() -> None:
    limit = Configurations(EVERY)
    may = [may_tell(limit, "10.0.0.1", changed(number), None, at(number / 100)) for number in range(1000)]
    assert may == [True] * BURST + [False] * (1000 - BURST)
    assert may_tell(limit, "10.0.0.1", changed(1001), None, at(20))
    assert may_tell(limit, "10.0.0.1", changed(0, stream=8), None, at(20)), "another device"
    assert may_tell(limit, "10.0.0.2", changed(0), None, at(20)), "another one"


def test_the_same_configuration_may_be_told_at_any_time() -> None:
    limit = Configurations(EVERY)
    assert all(may_tell(limit, "10.0.0.1", changed(1), None, at(turn / 100)) for turn in range(1000))
    cfg = parse(changed(2))
    assert isinstance(cfg, ConfigurationFrame)
    for number in range(100):
        may_tell(limit, "10.0.0.1", changed(number), None, at(20))
    assert may_tell(limit, "10.0.0.1", changed(2), cfg, at(20)), "it is in force"


def test_a_configuration_in_pieces_counts_once() -> None:
    limit = Configurations(EVERY)
    whole = configuration(7, phasors=500, stations=20, kind=3)
    pieces = encode_configuration(whole)
    assert len(pieces) > 1
    assert all(may_tell(limit, "10.0.0.1", piece, None, at(0)) for _ in range(BURST) for piece in pieces)
    endless = [may_tell(limit, "10.0.0.1", changed(number), None, at(0)) for number in range(BURST)]
    assert endless == [True] * (BURST - 1) + [False]


# ── times ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("compiled", [False, True])
def test_a_time_that_does_not_move(compiled: bool) -> None:
    use_kernels(compiled)
    times = Times()

    def standing(*rows: tuple[int, int]) -> list[bool]:
        device, time = np.array(rows).T
        found: list[bool] = times.standing(device.astype(np.uint32), time.astype(np.int64)).tolist()
        return found

    first, second, station = 1 << 16, 2 << 16, (1 << 16) + 1
    assert standing((first, 10), (second, 10), (first, 20), (station, 20)) == [False] * 4
    assert standing((first, 20), (second, 20), (second, 20), (station, 20)) == [True, False, True, False]
    assert standing((second, 20), (first, 10), (first, 30)) == [True, False, False]
    use_kernels(False)
