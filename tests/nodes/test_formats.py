"""Of which format a pipeline's files are: told without changing them, also of newer ones."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import msgpack
import pytest

from archive import layout, opening, segments
from archive.journal import Journal, JournalError
from nodes import _eventjournal, _mark, _registry, _state, _windowjournal
from nodes._formats import Format, formats
from nodes._pipeline import Pipeline, load

PIPELINE = """site: site.yaml
journal: journal
nodes:
  front:      {kind: balancer,     listen: "127.0.0.1:4712", registry: registry.json}
  receivers:  {kind: receiver,     from: front}
  archive:    {kind: archiver,     from: receivers, path: archive}
  align:      {kind: concentrator, from: receivers}
  windows:    {kind: trigger,      from: align}
  judge:      {kind: detector,     from: windows}
  suspects:   {kind: trigger,      from: [align, windows], on: suspicion}
  identify:   {kind: detector,     from: suspects, algorithm: disturbance}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    (tmp_path / "site.yaml").write_text("station: test\nunknown: admit\n")
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE)
    return load(path)


def write(folder: Path, note: object) -> Path:
    """A journal with this as its state."""
    journal = Journal(folder)
    journal.open(1, 0, [msgpack.packb(note)])
    journal.close()
    return folder / "00000000.journal"


def seen(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_was_written_yet(pipeline: Pipeline) -> None:
    assert list(formats(pipeline)) == []


def test_what_is_there_is_told_and_not_changed(pipeline: Pipeline, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write(journal / "receivers", msgpack.unpackb(_state.State().dump()[0]))
    write(journal / "align", msgpack.unpackb(_mark._pack({"receivers": (7, 3)})))
    write(journal / "windows", [_windowjournal.STATE, _windowjournal.FORMAT, []])
    write(journal / "suspects", [_eventjournal.STATE, _eventjournal.FORMAT + 1, {}])
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "archive.json").write_text(json.dumps({"format": layout.FORMAT - 1}))
    (tmp_path / "registry.json").write_text(json.dumps({"format": _registry.FORMAT, "devices": []}))
    before = seen(tmp_path)

    found = list(formats(pipeline))
    assert seen(tmp_path) == before
    notes = {
        "receivers": (_state.FORMAT, _state.FORMAT), "align": (_mark.FORMAT, _mark.FORMAT),
        "windows": (_windowjournal.FORMAT, _windowjournal.FORMAT),
        "suspects": (_eventjournal.FORMAT + 1, _eventjournal.FORMAT),
    }  # fmt: skip
    assert {each for each in found if "journal" in each.what} == {
        *(Format(journal / name, "journal", segments.FORMAT, segments.FORMAT) for name in notes),
        *(Format(journal / name, "journal's notes", *numbers) for name, numbers in notes.items()),
    }
    assert {each for each in found if "journal" not in each.what} == {
        Format(tmp_path / "archive", "archive", layout.FORMAT - 1, layout.FORMAT),
        Format(tmp_path / "registry.json", "registry", _registry.FORMAT, _registry.FORMAT),
    }
    assert [each.path.name for each in found if not each.readable] == ["suspects"]


def test_a_newer_journal_is_told(pipeline: Pipeline, tmp_path: Path) -> None:
    path = write(tmp_path / "journal" / "align", [1, {}])
    mark = struct.pack("<8sI", segments.MAGIC, segments.FORMAT + 4)
    path.write_bytes(mark + struct.pack("<I", zlib.crc32(mark)) + path.read_bytes()[segments.MARK.size :])
    [found] = formats(pipeline)
    assert (found.what, found.found, found.readable) == ("journal", segments.FORMAT + 4, False)


def test_the_newest_state_counts(tmp_path: Path) -> None:
    """Files that go on from another one have none, and a damaged head says nothing."""
    assert opening.newest(tmp_path) is None
    journal = Journal(tmp_path)
    for epoch in (1, 2):
        journal.open(epoch, 0, [b"state %d" % epoch])
    journal.roll(0, None)
    journal.close()
    assert opening.newest(tmp_path) == opening.Newest(segments.FORMAT, (b"state 2",))
    (tmp_path / "00000001.journal").write_bytes(b"x" * 200)
    assert opening.newest(tmp_path) == opening.Newest(segments.FORMAT, (b"state 1",))


def test_a_state_that_is_none_of_ours(pipeline: Pipeline, tmp_path: Path) -> None:
    write(tmp_path / "journal" / "receivers", ["what"])
    with pytest.raises(JournalError, match="receivers: its state is not one of ours"):
        list(formats(pipeline))


def test_a_damaged_registry(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text("[]")
    with pytest.raises(_registry.RegistryError, match="not a device registry"):
        list(formats(pipeline))
