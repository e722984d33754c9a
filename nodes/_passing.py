"""A receiver's frames as they came, told to those who pass them on; of links that nobody wants, nothing is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nodes._bulk import Taken
from nodes._node import Action, News
from protocol.c37118 import ConfigurationFrame
from protocol.c37118.encoding import repeat_configuration
from protocol.c37118.frames import HeaderFrame, encode_header
from protocol.clock import SECOND, Now
from protocol.messages import RawFrames

AGAIN = SECOND
"""What the device told of itself is repeated so often, for those who begin to read."""


@dataclass
class _Wanted:
    """A link that somebody wants, while we carry it."""

    name: str
    told: list[bytes]
    """The frames of its configuration."""
    header: list[bytes] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    """Since the last word."""


class Passing:
    """See the module. Links are known by number; only C37.118 can be passed on."""

    def __init__(self, node: str, wanted: Mapping[str, int | None]) -> None:
        """`wanted`: links by name, with their numbers if the site file has them."""
        self._node, self._names = node, frozenset(wanted)
        self._called = {number: name for name, number in wanted.items() if number is not None}
        """Link -> the name that it is wanted by, whatever the site file calls it since."""
        self._wanted: dict[int, _Wanted] = {}
        self._again_at = 0

    def configure(self, number: int, name: str, cfg: ConfigurationFrame) -> None:
        """From now on the frames of this link are of this configuration."""
        if name in self._names and self._called.get(number) != name:
            for former in [link for link, called in self._called.items() if called == name]:
                del self._called[former]
                self.forget(former)
            self._called[number] = name
        if number not in self._called or type(cfg) is not ConfigurationFrame:
            return
        wanted = self._wanted.setdefault(number, _Wanted(self._called[number], []))
        wanted.told = repeat_configuration(cfg)
        wanted.frames += wanted.told

    def forget(self, number: int) -> None:
        """We carry it no longer. What came is told."""
        if number in self._wanted:
            self._wanted[number].told = []

    def heard(self, number: int, header: HeaderFrame) -> None:
        """It told its header."""
        if number in self._wanted:
            self._wanted[number].header = [encode_header(header)]

    def add(self, number: int, frames: Iterable[bytes]) -> None:
        """DATA."""
        if number in self._wanted:
            self._wanted[number].frames += frames

    def add_block(self, taken: Taken) -> None:
        """DATA of many links."""
        for number, wanted in self._wanted.items():
            wanted.frames += [frame.tobytes() for frame in taken.frames[taken.links == number]]

    def say(self, now: Now) -> Iterator[Action]:
        """What came since the last time."""
        again = now.monotonic >= self._again_at
        if again:
            self._again_at = now.monotonic + AGAIN
        for number, wanted in list(self._wanted.items()):
            frames, wanted.frames = wanted.frames, []
            if again:
                frames = [*frames, *wanted.told, *wanted.header]
            if frames:
                yield News(_word(self._node, number, wanted.name, frames))
            if not wanted.told:
                del self._wanted[number]


def _word(node: str, number: int, name: str, frames: Sequence[bytes]) -> RawFrames:
    sizes = np.array([len(frame) for frame in frames], np.uint32)
    return RawFrames(node, number, name, sizes, np.frombuffer(b"".join(frames), np.uint8))
