"""The rows of the fault matrix: which fault, how often."""

from __future__ import annotations

import errno
from typing import Any

from tests.chaos.acts import (
    HOUR,
    KINDS,
    Row,
    device_clock,
    disk_error,
    disk_full,
    double,
    double_up,
    every_write,
    kill,
    link,
    power,
    several,
    station_clock,
    stop,
)

KILLS = 200


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _rows() -> list[Row]:
    rows = [Row(f"kill.{kind}", f"SIGKILL of {_a(kind)}", KILLS, kill, kind) for kind in KINDS]
    rows.append(Row("kill.several", "SIGKILL of up to three at once", KILLS, several))
    for kind in KINDS:
        for seconds, times in ((1, 10), (10, 5), (60, 2)):
            about = f"SIGSTOP of {_a(kind)} for {seconds} s"
            rows.append(Row(f"stop.{kind}.{seconds}", about, times, stop, (kind, seconds, times)))
    places = (
        ("receiver", "receivers*", "receiver"),
        ("trigger", "windows", "trigger"),
        ("archiver", "archive", "archiver"),
    )
    for name, who, kind in places:
        about = f"{_a(kind)} dies at every k-th write and sync, whole and torn"
        rows.append(Row(f"write.{name}", about, 48 * 4, every_write, who))
    rows.append(Row("power", "power cut: what was not synced is gone", 20, power))
    down, none = {"down": True}, dict[str, Any]()
    rows += [Row(f"link.down.{seconds}", f"link down for {seconds} s", 3, link, (seconds, down, down))
             for seconds in (1, 10, 60)]  # fmt: skip
    rows += [
        Row("link.deaf", "nothing reaches the station for 10 s", 3, link, (10, down, none)),
        Row("link.mute", "nothing reaches the devices for 10 s", 3, link, (10, none, down)),
        Row("link.lossy", "a tenth of the packets lost for 60 s", 1, link, (60, {"loss": 0.1}, {"loss": 0.1})),
        Row("link.slow", "packets delayed by 300 ms for 60 s", 1, link, (60, {"delay": 0.3}, {"delay": 0.3})),
        Row("link.disorder", "a tenth of the packets overtaken for 60 s", 1, link,
            (60, {"reorder": 0.1}, {"reorder": 0.1})),
        Row("link.echo", "a fifth of the packets doubled for 60 s", 1, link,
            (60, {"duplicate": 0.2}, {"duplicate": 0.2})),
        Row("disk.full", "disk full for 20 s", 3, disk_full, 20.0),
        Row("disk.eio", "every write fails with EIO for 15 s", 3, disk_error, ({"error": errno.EIO}, 15.0)),
        Row("disk.readonly", "disk read-only for 15 s", 3, disk_error, ({"error": errno.EROFS}, 15.0)),
        Row("disk.slow", "every write and sync takes 250 ms for 30 s", 3, disk_error, ({"delay_us": 250_000}, 30.0)),
        Row("clock.device.ahead", "a device's clock steps by +1 h and back", 2, device_clock, HOUR),
        Row("clock.device.behind", "a device's clock steps by -1 h and back", 2, device_clock, -HOUR),
        Row("clock.device.leap", "a device tells a second twice, and leaves one out", 2, device_clock, -HOUR // 3600),
        Row("clock.station.ahead", "station's clock steps by +1 h and back, with kills", 2, station_clock, HOUR),
        Row("clock.station.behind", "station's clock steps by -1 h and back, with kills", 2, station_clock, -HOUR),
        Row("double.process", "each process started a second time", 8, double),
        Row("double.up", "syms up twice, and after kill -9 of supervisord", 2, double_up),
    ]  # fmt: skip
    return rows


ROWS = _rows()
