"""Snapshots by rsync: to a daemon of our own, and to a folder as if it were far away."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive.backup import remote, snapshots
from archive.backup.addresses import is_remote
from archive.backup.restoring import restore
from archive.backup.taking import Item
from archive.checksums import read
from archive.folder import ArchiveError
from archive.verifying import verify
from protocol.clock import SECOND
from tests.archives import Killed, held_rows
from tests.backups import UTC, hour_file, station

pytestmark = pytest.mark.system


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[str]:
    """Address of a folder that a daemon serves."""
    (tmp_path / "far").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path / "rsyncd.conf"
    settings.write_text(f"use chroot = no\n[far]\npath = {tmp_path / 'far'}\nread only = no\nuid = root\ngid = root\n")
    command = ["rsync", "--daemon", "--no-detach", f"--config={settings}", f"--port={port}", "--address=127.0.0.1"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield f"rsync://127.0.0.1:{port}/far/north"
    process.terminate()
    process.wait(10)


def send(folder: Path, items: list[Item], target: str, day: int = 0, keep: int = 30) -> remote.Outcome:
    return remote.backup(items, folder / "pipelines/north.yaml", target, folder / "stage", UTC + day * 86400 * SECOND,
                         keep, 0, 0, lambda: None, lambda done, need: None)  # fmt: skip


def test_to_a_daemon_and_back(daemon: str, tmp_path: Path) -> None:
    root, items = station(tmp_path / "station")
    send(tmp_path / "station", items, daemon)
    done = send(tmp_path / "station", items, daemon, day=1)
    far = tmp_path / "far" / "north"
    assert snapshots.verify(far).findings == []
    one, other = (path / hour_file(root).relative_to(root.parents[1]) for path in snapshots.every(far))
    assert one.stat().st_ino == other.stat().st_ino
    assert done.copied < 40_000_000
    assert read(root)[hour_file(root).relative_to(root).as_posix()].backup
    to = tmp_path / "new"
    with remote.fetched(daemon, "", to) as snapshot:
        restore(snapshot, to, move=True)
    assert held_rows(to / "data" / "north") == held_rows(root)
    assert verify(to / "data" / "north", 0, 1 << 62).findings == []
    for day in (2, 3):
        done = send(tmp_path / "station", items, daemon, day, keep=2)
    assert [path.name for path in snapshots.every(far)] == [path.name for path in sorted((far / "snapshots").glob("*"))]
    assert len(snapshots.every(far)) == 2
    assert len(done.pruned) == 1


def test_broken_off_it_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, items = station(tmp_path / "station")
    target = str(tmp_path / "far")
    with monkeypatch.context() as patch:
        patch.setattr(snapshots.Manifest, "write", lambda self, folder: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            send(tmp_path / "station", items, target)
    assert snapshots.every(tmp_path / "far") == []
    [begun] = (tmp_path / "far" / "snapshots").glob("*")
    inode = (begun / hour_file(root).relative_to(root.parents[1])).stat().st_ino
    assert send(tmp_path / "station", items, target, day=1).snapshot == begun.name
    assert (begun / hour_file(root).relative_to(root.parents[1])).stat().st_ino == inode
    assert snapshots.verify(tmp_path / "far").findings == []


def test_what_is_damaged_here_or_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, items = station(tmp_path / "station")
    hour_file(root).write_bytes(b"damaged")
    done = send(tmp_path / "station", items, str(tmp_path / "far"))
    assert done.damaged == [str(hour_file(root))]
    call = remote.rsync

    def spoiling(*arguments: str, may_miss: bool = False) -> str:
        said = call(*arguments, may_miss=may_miss)
        if "--delete" in arguments:
            path = next((tmp_path / "far2").glob("snapshots/*/pipelines/north.yaml"))
            path.write_text(path.read_text().upper())
        return said

    monkeypatch.setattr(remote, "rsync", spoiling)
    with pytest.raises(remote.Spoiled, match=r"pipelines/north\.yaml"):
        send(tmp_path / "station", items, str(tmp_path / "far2"))
    assert snapshots.every(tmp_path / "far2") == []


def test_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, items = station(tmp_path / "station", hours=1)
    with pytest.raises(ArchiveError, match="neither empty nor a folder of backups"):
        send(tmp_path / "station", items, str(tmp_path / "station" / "data"))
    with pytest.raises(ArchiveError, match="see that rsync gets there without a password"):
        send(tmp_path / "station", items, "rsync://127.0.0.1:1/nothing")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArchiveError, match="rsync is not installed; install it"):
        send(tmp_path / "station", items, str(tmp_path / "far"))


def test_addresses() -> None:
    assert all(map(is_remote, ("ops@far:/srv/x", "far:x", "rsync://far/x", "far::module/x")))
    assert not any(map(is_remote, ("/srv/x", "x", "./a:b", "../a:b")))
