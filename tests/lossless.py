"""A whole station without processes: fake kernels, real receivers, concentrator, trigger and archive on real journals.

`tests/receivers.py` has the receivers' outer world, `tests/rebuilding.py` the one behind them; here they are one, with
an archive that dies at any of its writes, too. Devices send a frame each step, whatever lives.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.disk import Disk
from archive.journal import Journal
from archive.reading import open_archive
from archive.writer import Archive
from nodes import archiver
from nodes._node import Action, Letter, News, Place, StartError
from nodes.receiver import Receiver, Settings
from protocol.c37118 import StationRows, compile_codec, encode_data, fractions
from protocol.clock import SECOND, Now, slot_time
from protocol.messages import device_number
from tests import archives, rebuilding, receivers, scenes
from tests.rebuilding import STEP

FD = 3
LINKS = {"receivers.1": 1, "receivers.2": 2}
"""Receiver -> link number of its device."""
WARM, AFTER = 30, 800
"""Steps until all know each other, and in which all that waits is done."""
READERS = {"align": ["windows"], "windows": ["archive"], "archive": []}
"""Who hears the news of whom; those of a receiver go to `align` and `archive`."""


class Keeper(receivers.PlainKeeper):
    """One that forgets what nobody needs."""

    hangs = False

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.journal = Journal(folder, segment=1000)

    def trim(self, epoch: int, next: int, now: Now) -> None:
        self.journal.trim(epoch, next, now.utc)


class Front(receivers.World):
    """A receiver, and what outlives it: the connection of one device, the balancer, the journal."""

    def __init__(self, name: str, folder: Path, steps: receivers.Steps) -> None:
        self.device = LINKS[name]
        super().__init__(folder, steps, {self.device: self.device})
        self.name, self.away, self.fuse = name, 0, 0
        self.said: list[Action] = []
        self.cfg = scenes.configuration(self.device, rate=SECOND // STEP, phasors=1)
        self.codec = compile_codec(self.cfg)
        self.kernel.sockets[FD] = receivers.Socket(bytearray(scenes.told(self.cfg)))
        self.balancer.connect(100 + self.device, "dials_in", (f"10.0.0.{self.device}", 4712), [FD])
        self.sent: list[tuple[int, float]] = []
        """(time, frequency) of each frame."""

    def step(self, now: Now, speak: bool) -> list[Action]:
        """The device sends, if it is to; then a tick of the receiver, in which it dies at the step that `fuse` says."""
        self.now = now
        if speak:
            self._send(now)
        if self.away:
            self.away -= 1
            return []
        self.steps.kill_at = {self.steps.count + self.fuse} if self.fuse else set()
        if not self._alive(lambda receiver: receiver.wake(now)):
            self.away, self.fuse = self.fuse % 9, 0
        self.steps.kill_at = set()
        return self.taken()

    def receive(self, message: Any, now: Now) -> list[Action]:
        """A letter; lost if nobody is there."""
        if self.receiver:
            self._alive(lambda receiver: receiver.receive(message, now))
        return self.taken()

    def taken(self) -> list[Action]:
        """What was said since."""
        said, self.said = self.said, []
        return said

    def _send(self, now: Now) -> None:
        slot = now.utc // STEP
        value = np.float32(50 + len(self.sent) / 64)
        row = StationRows(np.zeros(1, np.uint16), np.full((1, 5), value, np.float32), np.zeros((1, 1), np.uint16))
        stamp = fractions(slot_time(np.array([slot]), self.cfg.rate), self.cfg.time_base)
        self.kernel.sockets[FD].queue += encode_data(self.codec, [row], *stamp)[0]
        self.sent.append((slot * STEP, float(value)))

    def _alive(self, work: Callable[[Receiver], Any]) -> bool:
        try:
            if self.receiver is None:
                self._start()
            assert self.receiver
            self.said += list(work(self.receiver))
        except receivers.KilledError:
            self._died()
            return False
        return True

    def _start(self) -> None:
        readers = {"concentrator": ["align"], "archiver": ["archive"]}
        place = Place(self.name, "receivers", 1, readers, {"balancer": [receivers.BALANCER]}, "", {}, "", self.folder)
        self.receiver = Receiver(Settings.model_validate({"memory": "1 kB"}), place, self.kernel)
        self.receiver.balancers = self.balancer  # type: ignore[assignment]
        self.said += list(self.receiver.start(self.now))


class Fuse(Disk):
    """Dies at a change of a file, half-way through it; or does nothing at all, as a full disk."""

    def __init__(self) -> None:
        self.left = 0
        """So many changes until it dies; 0: it does not."""
        self.full = False

    def _burn(self) -> bool:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.left -= self.left > 0
        return self.left == 1

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        if self._burn():
            view = memoryview(data).cast("B")
            super().pwrite(fd, view[: view.nbytes // 2], offset)
            raise archives.Killed
        super().pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        if self._burn():
            raise archives.Killed

    def replace(self, temporary: Path, path: Path) -> None:
        if self._burn():
            raise archives.Killed
        super().replace(temporary, path)


class Store:
    """The archiver, as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.disk, self.away, self.deaths = folder, Fuse(), 0, 0
        self.node: archiver.Archiver | None = None

    def receive(self, message: Any, now: Now) -> list[Action]:
        return self._alive(lambda node: node.receive(message, now)) if self.node else []

    def wake(self, now: Now) -> list[Action]:
        if self.node is None and self.away:
            self.away -= 1
            return []
        started = [] if self.node else self._alive(lambda node: node.start(now))
        if self.node is None:
            return []
        due = self.node.wake_at()
        return [*started, *(self._alive(lambda node: node.wake(now)) if due <= now.monotonic else [])]

    def _alive(self, work: Callable[[archiver.Archiver], Iterable[Action]]) -> list[Action]:
        if self.node is None:
            place = Place("archive", "archive", 1, {}, {"receiver": [*LINKS], "trigger": ["windows"]}, "", {}, "")
            self.node = archiver.Archiver(archiver.Settings.model_validate({"path": str(self.folder)}), place)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archiver, "Archive", lambda *given, **named: Archive(*given, disk=self.disk, **named))
            try:
                return list(work(self.node))
            except (archives.Killed, StartError):
                self.kill(away=3)
                return []

    def kill(self, away: int) -> None:
        if self.node:
            self.deaths += 1
            if self.node.archive:
                self.node.archive.close()
            self.node, self.away, self.disk.left = None, away, 0


@dataclass
class Station(rebuilding.World):
    """All of it. What is in `cut` (from, to) does not get through."""

    wait: str = "60 s"
    """Nothing is late for the concentrator."""
    cut: set[tuple[str, str]] = field(default_factory=set)
    parted: bool = False
    """The concentrator was ever cut off from a receiver: it goes on without those for which it waited in vain."""

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = receivers.Steps()
        self.fronts = {name: Front(name, self.folder / name, steps) for name in LINKS}
        self.store = Store(self.folder / "data")
        self.receivers = self.fronts  # type: ignore[assignment]
        self.archive = self.store  # type: ignore[assignment]
        for _ in range(WARM):
            self.step(speak=True)

    def part(self, ways: Iterable[tuple[str, str]]) -> None:
        """Nothing gets through from here to there."""
        self.cut |= set(ways)
        self.parted |= any("align" in way and set(way) & set(LINKS) for way in self.cut)

    def do(self, name: str, actions: Iterable[Action]) -> None:
        for action in actions:
            heard = READERS.get(name, ["align", "archive"]) if isinstance(action, News) else []
            to = [action.to] if isinstance(action, Letter) else heard
            assert isinstance(action, News | Letter)
            self.mail.extend((each, action.message) for each in to if (name, each) not in self.cut)

    def finish(self) -> None:
        """Everything is mended, devices fall silent, all that waits goes its way, and the station stops."""
        self.cut.clear()
        self.kills.clear()
        self.store.disk.full, self.store.disk.left = False, 0
        for front in self.fronts.values():
            front.fuse = 0
        for _ in range(AFTER):
            self.step(speak=False)
        for name, front in self.fronts.items():
            front.stop()
            self.do(name, front.taken())
        self.deliver()
        self.do("archive", self.store.wake(self.now))
        assert self.store.node
        list(self.store.node.stop(self.now))
        self.close()

    def check(self) -> None:
        """Every frame archived once, with its values; the books balance; every scheduled window judged once."""
        assert self.store.node
        sent = {(device_number(front.device, 0), *frame): 1 for front in self.fronts.values() for frame in front.sent}
        found: Counter[tuple[int, int, float]] = Counter()
        with open_archive(self.store.folder) as data:
            for block in data.rows():
                assert block.aside is None
                device = block.configuration.device
                cells = zip(block.time.tolist(), block.values[:, 0].tolist(), strict=True)
                found.update((device, time, value) for time, value in cells)
            verdicts = data.verdicts() if any(sent) else {"device": np.array([]), "start": np.array([])}
        assert found == sent
        assert self.store.node.reader.lost == 0
        self._check_books()
        self._check_windows(list(zip(verdicts["device"].tolist(), verdicts["start"].tolist(), strict=True)))

    def _check_books(self) -> None:
        assert self.store.node
        health = self.store.node.health(self.now)
        for device, counts in zip(health["devices"].tolist(), health["counts"], strict=True):
            count = len(next(each for each in self.fronts.values() if device_number(each.device, 0) == device).sent)
            assert dict(zip(health["columns"], counts.tolist(), strict=True)) == {
                **dict.fromkeys(health["columns"], 0), "received": count, "archived": count,
            }  # fmt: skip

    def _check_windows(self, judged: list[tuple[int, int]]) -> None:
        """No window twice, none left out between two others; all, unless the concentrator may have given up rows."""
        assert [each for each, count in Counter(judged).items() if count > 1] == []
        for front in self.fronts.values():
            starts = sorted(start for device, start in judged if device == device_number(front.device, 0))
            assert starts == [starts[0] + k * SECOND for k in range(len(starts))]
            if not self.parted:
                assert starts[0] <= front.sent[0][0] + SECOND
                assert starts[-1] >= front.sent[-1][0] - 3 * SECOND
