"""How a process ends, and what its exit code says of that."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodes._node import Actions, Done, Node, Place
from nodes._runtime import EXIT_EARLY, EXIT_OK, Runtime
from protocol.clock import Now


class Worker(Node):
    """Is done at once, or never."""

    def __init__(self, ends: bool) -> None:
        self.ends = ends

    def start(self, now: Now) -> Actions:
        if not self.ends:
            signal.raise_signal(signal.SIGTERM)
        return ()

    def receive(self, message: Any, now: Now) -> Actions:
        return ()

    def wake_at(self) -> int:
        return 0

    def wake(self, now: Now) -> Actions:
        if self.ends:
            raise Done("all is handed on")
        return ()

    def stop(self, now: Now) -> Actions:
        return ()

    def health(self, now: Now) -> dict[str, Any]:
        return {}


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """As they were."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("leaving", "ends", "code"), [(True, True, EXIT_OK), (True, False, EXIT_EARLY), (False, False, EXIT_OK)]
)
def test_who_is_ended_before_all_is_handed_on_says_so(tmp_path: Path, leaving: bool, ends: bool, code: int) -> None:
    """`syms up` deletes the journal of one that leaves when that says it is done."""
    place = Place("r.1", "r", 1, {}, {}, str(tmp_path), {}, "p.yaml")
    assert Runtime(Worker(ends), "receiver", replace(place, leaving=leaving)).run() == code
