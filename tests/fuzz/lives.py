"""A receiver that devices tell anything, and that is killed meanwhile: what its lives say is what one life says."""

from __future__ import annotations

import logging
import shutil
from functools import cache

import pytest
import structlog

from nodes import receiver as module
from nodes._rows import COLUMNS, CORRUPT
from protocol.messages import device_number
from tests.fuzz.frames import GOOD, PIECES, stream_of
from tests.fuzz.source import Source, scratch
from tests.receivers import Outcome, PlainKeeper, Socket, Steps, World

FD, LINK = 5, 1
TURNS = 12
"""Ticks in which the bytes come, and after them."""


@cache
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def receiver(data: bytes) -> None:
    """Rows and books are the same, whichever steps it is killed at."""
    _quiet()
    source = Source(data)
    kills = {1 + source.below(120) for _ in range(source.below(4))}
    cuts = [source.below(256) for _ in range(TURNS)]
    stream = stream_of(source)
    calm, disturbed = _lived(stream, cuts, set()), _lived(stream, cuts, kills)
    assert disturbed.rows == calm.rows
    assert _counts(disturbed) == _counts(calm)


def _counts(seen: Outcome) -> list[int]:
    """Frames by what became of them: of the link's first station, and of nobody we know.

    For how many stations a frame counts that is no row depends on when the balancer says whose it is.
    """
    first = seen.books.get(device_number(LINK, 0), [0] * len(COLUMNS))
    unknown = [sum(seen.unknown[CORRUPT:]), *seen.unknown[CORRUPT:]]
    return [a + b for a, b in zip(first, unknown, strict=True)]


def _lived(stream: bytes, cuts: list[int], kills: set[int]) -> Outcome:
    folder = scratch()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "Keeper", PlainKeeper)
            return _live(World(folder, Steps(kills), {1: LINK}), stream, cuts)
    finally:
        shutil.rmtree(folder)


def _live(world: World, stream: bytes, cuts: list[int]) -> Outcome:
    device = world.kernel.sockets[FD] = Socket()
    world.balancer.connect(7, "dials_in", ("10.0.0.5", 4712), [FD])
    for cut in cuts:
        device.queue += stream[: cut * 4]
        stream = stream[cut * 4 :]
        world.turn()
    device.queue += stream
    for _ in range(2 * TURNS):
        world.turn()
    while world.receiver is None:
        world.turn()
    world.stop()
    assert world.receiver
    return world.outcome(world.receiver.links.book.unknown)


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with: configurations and their data, whole and not."""
    good = [bytes([0, k, 0]) for k in range(len(GOOD))]
    told = b"".join([good[5], good[0] * 3, bytes([6, 0, 0]), good[4], good[2] * 2])
    lives = [bytes([n, *[20 * n + 7] * n, *[30] * TURNS, 30]) for n in range(4)]
    assert len(PIECES) == 2
    return {"receiver": [life + told[:10] + bytes([what, 3, 5]) + told for life in lives for what in range(8)]}


TARGETS = {"receiver": receiver}
