"""Devices under TLS: openssl is their end of it, and frames come of the tests' own encoder."""

from __future__ import annotations

import select
import subprocess
import threading
import time
from contextlib import suppress

from tests.authorities import Authority, Issued
from tests.chaos import frames
from tests.chaos.truth import FLOAT, PERIOD, Device

PATIENCE = 20.0


class TlsDevice(threading.Thread):
    """A device whose link is a process of `openssl s_client` or `s_server`; it dials anew when that ends."""

    def __init__(self, number: int, command: list[str], again: bool = True) -> None:
        """`number`: its IDCODE; `again`: not only once."""
        super().__init__(name=f"device {number}", daemon=True)
        self.command, self.again = command, again
        self.device = Device(number, phasors=1, analogs=0, digitals=0)
        self.over, self.quiet = threading.Event(), threading.Event()
        self.sent: list[int] = []
        """Times of DATA frames that openssl took, ns."""
        self.connects = 0
        self._last = 0

    def run(self) -> None:
        while not self.over.is_set():
            self.connects += 1
            with subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            ) as process:
                with suppress(OSError):
                    self._talk(process)
                process.kill()
            if not self.again:
                return
            self.over.wait(0.1)

    def _talk(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        held, streaming = b"", False
        while not self.over.is_set():
            ready, _, _ = select.select([process.stdout], [], [], PERIOD / 1e9 / 4)
            if ready:
                came = process.stdout.read(4096)
                if not came:
                    return
                held += came
            while len(held) >= 18:
                order, held = held[:18], held[18:]
                streaming = self._obey(order, streaming, process)
            k = time.time_ns() // PERIOD
            if streaming and k > self._last and not self.quiet.is_set():
                self._last = k
                process.stdin.write(frames.data(self.device, FLOAT, k))
                self.sent.append(k * PERIOD)

    def _obey(self, order: bytes, streaming: bool, process: subprocess.Popen[bytes]) -> bool:
        assert process.stdin
        code = int.from_bytes(order[14:16], "big")
        if code == frames.SEND_CFG2:
            process.stdin.write(frames.cfg2(self.device, FLOAT, 0, time.time_ns()))
        return code == frames.START or (streaming and code != frames.STOP)

    def stop(self) -> None:
        self.over.set()
        self.join(PATIENCE)
        assert not self.is_alive(), self.name


def dials(number: int, port: int, authority: Authority, issued: Issued | None, **more: bool) -> TlsDevice:
    """A device that dials the station, with a certificate or none."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-verify_quiet"]
    command += ["-CAfile", str(authority.certificate), "-verify_return_error", "-verify_hostname", "station.example"]
    if issued:
        command += ["-cert", str(issued.certificate), "-key", str(issued.key)]
    return TlsDevice(number, command, **more)


def answers(number: int, port: int, authority: Authority, issued: Issued) -> TlsDevice:
    """A device that the station dials."""
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-naccept", "1"]
    command += ["-cert", str(issued.certificate), "-key", str(issued.key)]
    command += ["-CAfile", str(authority.certificate), "-Verify", "2", "-verify_return_error"]
    return TlsDevice(number, command)
