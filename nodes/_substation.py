"""A substation of Q/GDW 131 or GB/T 26865.2, or an SMD, towards its station: a management pipe, and pipes for DATA.

Each pipe is a link of its own (`_devicestream`), dialled or listened on. Without a pipe for them, DATA go on the
management pipe. A data pipe that the substation dials is up while DATA are wanted, and gone when they are not, or when
the management pipe is: what a station did not ask for on this management pipe, it does not get.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nodes._devicelink import STOP_PATIENCE, Answers
from nodes._devicestream import FIRST_RETRY, Dialled, Listening
from nodes._node import Action
from protocol.clock import Now
from protocol.gbt26865 import Device, Splitter
from protocol.gbt26865.events import DeviceEvent, Ended, Send
from protocol.messages import Spectrum

Pipe = Dialled | Listening


class SubstationAnswers(Answers):
    """The substation on its management pipe, heartbeats included."""

    splitter = Splitter

    def __init__(self, device: Device) -> None:
        self.device = device
        self.ended = ""
        """Why the pipe is to be closed."""

    @property
    def streaming(self) -> bool:
        return self.device.on

    @property
    def due(self) -> int | None:
        """Monotonic ns of the next `wake`."""
        return self.device.wake_at()

    def begin(self, now: Now) -> None:
        super().begin(now)
        self.ended = ""
        self.device.begin(now)

    def receive(self, frame: bytes, now: Now) -> list[bytes]:
        return self._said(self.device.receive(frame, now))

    def wake(self, now: Now) -> list[bytes]:
        """A heartbeat, or the end."""
        return self._said(self.device.wake(now))

    def reset(self) -> None:
        self.device.on = False

    def _said(self, events: Iterable[DeviceEvent]) -> list[bytes]:
        said = []
        for event in events:
            if isinstance(event, Send):
                said.append(event.data)
            elif isinstance(event, Ended):
                self.ended = event.reason
        return said


class Substation:
    """All pipes of one substation, used as a `Link` is."""

    def __init__(
        self, answers: SubstationAnswers, management: Pipe, data: Mapping[Spectrum, Pipe] | None = None
    ) -> None:
        """data: pipes by what goes on them; what is not named goes on the management pipe."""
        self.answers, self.management = answers, management
        self._data = dict(data or {})
        self._pipes = [management, *self._data.values()]
        self._called = [pipe for pipe in self._data.values() if isinstance(pipe, Dialled)]
        for pipe in self._called:
            pipe.due, pipe.redial = None, False
        self.due = management.due
        """As of a `Link`."""

    def way(self, spectrum: Spectrum = Spectrum.NONE) -> Pipe:
        """The pipe that such DATA go on."""
        return self._data.get(spectrum, self.management)

    @property
    def sent(self) -> int:
        return sum(pipe.sent for pipe in self._pipes)

    @property
    def dropped(self) -> int:
        return sum(pipe.dropped for pipe in self._pipes)

    @property
    def connects(self) -> int:
        return sum(pipe.connects for pipe in self._pipes)

    @property
    def connected(self) -> bool:
        """The management pipe is up and, while DATA are wanted, so are theirs."""
        return self.management.connected and (
            not self.answers.streaming or all(pipe.connected for pipe in self._data.values())
        )

    @property
    def fault(self) -> str:
        return next((pipe.fault for pipe in self._pipes if not pipe.connected and pipe.fault), "")

    @property
    def wants_data(self) -> bool:
        """DATA may be sent now, on those of their pipes that are up."""
        return self.management.connected and self.answers.streaming

    @property
    def idle(self) -> bool:
        return all(pipe.idle for pipe in self._pipes)

    def fds(self) -> list[int]:
        return [fd for pipe in self._pipes for fd in pipe.fds()]

    def start(self, now: Now) -> Iterator[Action]:
        for pipe in self._pipes:
            yield from pipe.start(now)
        yield from self._tend(now)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        for pipe in self._pipes:
            if fd in pipe.fds():
                yield from pipe.ready(fd, now)
                break
        yield from self._tend(now)

    def wake(self, now: Now) -> Iterator[Action]:
        for pipe in self._pipes:
            if pipe.due is not None and pipe.due <= now.monotonic:
                yield from pipe.wake(now)
        if self.management.connected and self.answers.due is not None and self.answers.due <= now.monotonic:
            yield from self._beat(now)
        yield from self._tend(now)

    def flush(self, now: Now) -> Iterator[Action]:
        for pipe in self._pipes:
            yield from pipe.flush(now)
        yield from self._tend(now)

    def reconnect(self, now: Now, pause: int) -> Iterator[Action]:
        for pipe in self._data.values():
            yield from pipe.end(now)
        yield from self.management.reconnect(now, pause)
        yield from self._tend(now)

    def stop(self, now: Now, patience: float = STOP_PATIENCE) -> None:
        for pipe in reversed(self._pipes):
            pipe.stop(now, patience)

    def _beat(self, now: Now) -> Iterator[Action]:
        for item in self.answers.wake(now):
            self.management.put(item, 0)
        yield from self.management.flush(now)
        if self.answers.ended:
            yield from self.management.reconnect(now, FIRST_RETRY)
            self.management.fault = self.answers.ended

    def _tend(self, now: Now) -> Iterator[Action]:
        """Dial the data pipes, or leave them, as DATA are wanted; know when to be woken."""
        wanted = self.answers.streaming
        for pipe in self._called:
            if pipe.redial is not wanted:
                pipe.redial = wanted
                yield from pipe.end(now)
                pipe.due = now.monotonic if wanted else None
        dues = [self.answers.due if self.management.connected else None, *(pipe.due for pipe in self._pipes)]
        self.due = min((due for due in dues if due is not None), default=None)
