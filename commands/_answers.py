"""Windows judged in processes of their own, and the verdicts kept, so that a study that was broken off goes on.

A file has the verdicts in the order in which they were handed on. Who asks the same once more is answered from it, as
long as it reaches; only what is beyond is judged.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import structlog

from nodes._node import Letter, Place
from nodes.detector import Detector, Settings
from protocol import wire
from protocol.clock import Now
from protocol.messages import Verdict, Window

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""A worker has a core; more threads than that only wait for each other."""
Judges = Mapping[str, tuple[Settings, Place]]
"""Detectors by name."""
NO_TIME = Now(0, 0)
Parts = list[bytes]
"""Of a message, as on the wire."""


class OtherStudy(Exception):
    """What is kept is not of this study; says where it is."""


class WorkerDied(Exception):
    """A process that judges is gone; says what to do."""


class Asked(NamedTuple):
    """A window at a detector."""

    detector: str
    window: Window

    @property
    def key(self) -> list[Any]:
        """What the verdict is of."""
        window = self.window
        return [self.detector, window.trigger, window.lease, window.attempt, window.start, window.device.tolist()]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Processes that are begun here do not hear Ctrl-C, which is for who asked for their work: not even while they
    load what they need."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Workers:
    """Processes that judge windows as the pipeline's detectors do."""

    def __init__(self, judges: Judges, workers: int | None = None) -> None:
        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")
        self.count = workers or os.cpu_count() or 1
        self._pool = ProcessPoolExecutor(self.count, get_context("spawn"), _begin, (judges,))

    def submit(self, asked: Asked) -> Future[Parts]:
        """The verdict of a window, as parts, some time."""
        with undisturbed():
            return self._pool.submit(_judge, asked.detector, _bytes(asked.window))

    def close(self) -> None:
        """What is not begun is not done any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Kept:
    """Verdicts in a file."""

    def __init__(self, path: Path) -> None:
        self.left, self._end = _count(path)
        """How many there are that were not taken yet."""
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(self._end)
        self._read = msgpack.Unpacker(self._file, max_buffer_size=0)
        self._write = path.open("ab")

    def take(self, asked: Asked) -> Parts | None:
        """The next verdict, which must be of this window; None if there is no further one. Raises OtherStudy."""
        if not self.left:
            return None
        self.left -= 1
        key, parts = self._read.unpack()
        if key != asked.key:
            raise OtherStudy(f"{self._file.name} holds verdicts of another study; delete its folder")
        found: Parts = parts
        return found

    def add(self, asked: Asked, parts: Parts) -> None:
        """One more. It outlives the process at once."""
        self._write.write(msgpack.packb([asked.key, parts]))
        self._write.flush()

    def close(self) -> None:
        self._file.close()
        self._write.close()


def _count(path: Path) -> tuple[int, int]:
    """(verdicts in a file, bytes of these); a last one that was cut off does not count."""
    count, end = 0, 0
    if path.exists():
        with path.open("rb") as file:
            read = msgpack.Unpacker(file, max_buffer_size=0)
            for entry in read:
                if not isinstance(entry, list) or len(entry) != 2:
                    break
                count, end = count + 1, read.tell()
    return count, end


@dataclass
class Question:
    """A window whose verdict is awaited."""

    asked: Asked
    doing: Future[Parts] | None
    """None: it is not begun, as its verdict seems to be kept."""


class Answers:
    """Verdicts in the order in which they are taken: kept ones, and then those that workers make."""

    def __init__(self, workers: Workers, path: Path) -> None:
        self._workers, self._kept = workers, Kept(path)
        self._open = 0

    def ask(self, asked: Asked) -> Question:
        """Have it judged, unless its verdict seems to be kept."""
        self._open += 1
        return Question(asked, self._workers.submit(asked) if self._open > self._kept.left else None)

    def ready(self, question: Question) -> bool:
        """Whether `take` would not have to wait."""
        return self._kept.left > 0 or (question.doing is not None and question.doing.done())

    def take(self, question: Question) -> Verdict:
        """The verdict; waits for it. Raises OtherStudy, WorkerDied."""
        self._open -= 1
        parts = self._kept.take(question.asked)
        if parts is None:
            parts = self._judged(question)
            self._kept.add(question.asked, parts)
        verdict: Verdict = wire.unpack(parts)
        return verdict

    def _judged(self, question: Question) -> Parts:
        try:
            return (question.doing or self._workers.submit(question.asked)).result()
        except BrokenProcessPool as broken:
            what = f"a process that judges for {question.asked.detector} died (no memory?)"
            raise WorkerDied(f"{what}; the same command goes on, with --workers 1 it needs less") from broken

    def close(self) -> None:
        self._kept.close()


_detectors: dict[str, Detector] = {}
"""Of this worker."""


def _begin(judges: Judges) -> None:
    hushed()
    for name, (settings, place) in judges.items():
        _detectors[name] = Detector(settings, place)
        list(_detectors[name].start(NO_TIME))


def hushed() -> None:
    """What an algorithm raises stands in the verdicts; said of each window besides, it would bury what is told."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _judge(detector: str, parts: Parts) -> Parts:
    return _bytes(verdict_of(_detectors[detector], wire.unpack(parts)))


def verdict_of(detector: Detector, window: Window) -> Verdict:
    """What a detector says of a window."""
    list(detector.receive(window, NO_TIME))
    [said] = [action for _ in range(2) for action in detector.wake(NO_TIME)]
    assert isinstance(said, Letter)
    verdict: Verdict = said.message
    return verdict


def _bytes(message: Any) -> Parts:
    return [bytes(part) for part in wire.pack(message)]
