"""The threads that send notifications, one for each receiver: none waits for another, and the node for none.

What came of a job is told through a pipe that the node watches.
"""

from __future__ import annotations

import os
import queue
import smtplib
import threading
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException

from nodes._notifysettings import Notify
from nodes._outbox import Item, Job

Send = Callable[[Notify, Sequence[Item]], None]
FAULTS = (OSError, smtplib.SMTPException, HTTPException, ValueError)
"""What a receiver, or the way to it, makes of an attempt."""


class Threads:
    """One for each way. `put` jobs; when `fd` can be read, `take` what came of them."""

    def __init__(self, ways: Sequence[Notify], send: Send) -> None:
        self._ways, self._send = ways, send
        self.fd, self._tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._jobs: list[queue.SimpleQueue[Job | None]] = [queue.SimpleQueue() for _ in ways]
        self._done: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True, name=f"notify-{number}")
            for number in range(len(ways))
        ]
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        """To be sent; one at a time for each receiver."""
        self._jobs[job.lane].put(job)

    def take(self) -> Iterator[tuple[int, str]]:
        """(lane, error; "" if it was sent) of jobs that have ended."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            pass
        while not self._done.empty():
            yield self._done.get()

    def close(self, patience: float = 0.5) -> None:
        """No more jobs. A thread that waits for a receiver ends with the process."""
        for jobs in self._jobs:
            jobs.put(None)
        for thread in self._threads:
            thread.join(patience)
        if not any(thread.is_alive() for thread in self._threads):
            os.close(self.fd)
            os.close(self._tell)

    def _work(self, number: int) -> None:
        while (job := self._jobs[number].get()) is not None:
            error = ""
            try:
                self._send(self._ways[number], job.items)
            except FAULTS as fault:
                error = str(fault) or type(fault).__name__
            self._done.put((number, error))
            os.write(self._tell, b"!")
