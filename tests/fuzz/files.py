"""What people hand in: pipelines, site files, YAML, captures of any kind."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from nodes import _pipeline, _site, _yaml
from nodes._faults import Fault, Faulty, Lines
from protocol.c37118 import Command, Splitter, encode_command
from protocol.capture.reading import parse
from protocol.capture.recognise import recognise
from protocol.capture.records import CaptureError
from tests import captures
from tests.fuzz.frames import GOOD
from tests.fuzz.source import scratch

ROOT = Path(__file__).parents[2]
SITE = b"station: Hub\nunknown: refuse\ndevices:\n  - {name: A, number: 1, stream: 7, address: 10.1.0.7}\n"
PIPELINE = b"site: site.yaml\nnodes:\n  front: {kind: balancer, listen: 127.0.0.1:4712}\n"
READERS = b"""  receivers: {kind: receiver, from: front, copies: 2}
  align: {kind: concentrator, from: receivers, wait: 1 s}
  windows: {kind: trigger, from: align}
  archive: {kind: archiver, from: [receivers, windows], path: data}
"""


def yaml(data: bytes) -> None:
    """Any text is data with a line for each value, or has faults that lie in it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    lines = Lines("file", {}, [])
    found = _yaml.parse(text, lines)
    _plain(found, 0)
    breaks = sum(text.count(each) for each in "\n\r\x85\u2028\u2029")
    assert all(0 <= fault.line <= breaks + 2 for fault in lines.faults)
    assert all(len(str(fault).splitlines()) == 1 for fault in lines.faults)


def _told(faults: Sequence[Fault]) -> None:
    """There are some, each a line of text."""
    assert faults
    assert all(len(str(fault).splitlines()) == 1 for fault in faults)


def _plain(value: Any, depth: int) -> None:
    assert depth <= _yaml.MAX_DEPTH + 1
    if isinstance(value, dict):
        for key, each in value.items():
            assert type(key) is str
            _plain(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _plain(each, depth + 1)
    else:
        assert value is None or type(value) in (bool, int, float, str)


@cache
def _folder() -> Path:
    folder = scratch()
    (folder / "site.yaml").write_bytes(SITE)
    return folder


def forget() -> None:
    """Delete what the targets wrote."""
    if _folder.cache_info().currsize:
        shutil.rmtree(_folder())
        _folder.cache_clear()


def pipeline(data: bytes) -> None:
    """Any file is a pipeline or has faults."""
    path = _folder() / "pipeline.yaml"
    path.write_bytes(data)
    try:
        _pipeline.load(path)
    except Faulty as why:
        _told(why.faults)


def site(data: bytes) -> None:
    """Any file is a site or has faults; in a site, whoever comes is recognised or not."""
    path = _folder() / "fuzz.yaml"
    path.write_bytes(data)
    try:
        found = _site.load(path)
    except Faulty as why:
        _told(why.faults)
        return
    for address in ("10.1.0.7", "::1", "::ffff:10.1.0.7"):
        _site.match(found, address, 7)
    assert _site.Site.model_validate(found.model_dump(mode="json"), context=None).devices == found.devices


def capture(data: bytes) -> None:
    """Any file is flows, in order of time, of no more bytes than it has; what they are has a name."""
    try:
        found = parse(data)
    except CaptureError:
        return
    assert found.kind
    assert sum(len(chunk.data) for flow in found.flows for chunk in flow.chunks) <= len(data)
    for flow in found.flows:
        times = [chunk.time for chunk in flow.chunks]
        assert flow.transport == "udp" or times == sorted(times)
        assert flow.chunks
        Splitter().feed(flow.data())
    assert recognise(found)
    assert str(found.notes.texts) is not None


def _captures() -> list[bytes]:
    talk = captures.Talk().opened(1).says(2, encode_command(Command(stream=1, command=5)))
    for k, frame in enumerate(GOOD):
        talk.sends(3 + k, frame)
    talk.repeats(40, GOOD[0]).swapped(50, GOOD[1], GOOD[2]).loses(30).sends(60, GOOD[3])
    six = captures.Talk(device="2001:db8::1", master="2001:db8::2", vlans=(7,)).opened(1).sends(2, GOOD[0])
    records = [*talk.records[:12], *six.records, captures.datagram(9, "10.0.0.1", "10.0.0.2", GOOD[0])]
    payload = captures.udp(4713, 50000, GOOD[0] * 2)
    for at, flags in ((0, 0x2000), (40, 5)):
        piece = payload[at : at + 40] if flags & 0x2000 else payload[at:]
        records.append((70, captures.ethernet(captures.ipv4("10.0.0.1", "10.0.0.2", 17, piece, 9, flags))))
    blocks = [captures.section(), captures.interface(), captures.interface(113, 9)]
    blocks += [captures.enhanced(time, packet) for time, packet in records]
    whole = [captures.pcap(records), captures.pcap(records, 1, ">", True), b"".join(blocks)]
    whole.append(captures.pcap([(time, captures.cooked(packet)) for time, packet in records], 113))
    text = "\n".join(frame.hex() for frame in GOOD[:4])
    dump = "\n".join(f"{at:04x}  {GOOD[0][at : at + 16].hex(' ')}  ...." for at in range(0, len(GOOD[0]), 16))
    return [*whole, *(captures.pcap([each]) for each in records), text.encode(), dump.encode(), GOOD[0] * 3,
            f"# a label\nframe 1\t{GOOD[0].hex()}\n0xAA,0x01\n".encode()]  # fmt: skip


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with, by target."""
    pipelines = [path.read_bytes() for path in sorted((ROOT / "pipelines").glob("*.yaml"))] + [PIPELINE + READERS]
    written = [path.read_bytes() for path in sorted((ROOT / "tests" / "pipelines").glob("*/*.yaml"))]
    sites = [path.read_bytes() for path in sorted((ROOT / "config").glob("*.yaml"))] + [SITE]
    sites.append(
        SITE + b"  - {name: B, number: 2, link: {tcp: 10.0.0.1:4712, udp: 4713}, analogs: {a: {scale: 2, unit: MW}}}\n"
        b"  - {name: C, number: 3, stream: 9, link: {spontaneous: 4713, group: 239.1.1.1, source: 10.0.0.3}}\n"
        b'  - {name: D, number: 4, address: "10.2.0.0/16", latitude: 1.5, longitude: -3, elevation: 1e3}\n'
    )
    return {
        "yaml": [*pipelines, *written, *sites, b"a: &x [1]\nb: *x\n", b"a: !t {a: 1, a: 2}\n? [x]\n: y\n--- z\n"],
        "pipeline": [*pipelines, *written],
        "site": [*sites, *written],
        "capture": _captures(),
    }


TARGETS = {"yaml": yaml, "pipeline": pipeline, "site": site, "capture": capture}
