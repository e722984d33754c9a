"""A capture file of any format as flows: pcap, pcapng, hex text, or the raw bytes of one stream.

    capture = read(Path("station.pcapng"))
    for flow in capture.flows:
        splitter.feed(flow.data())

Raw bytes are what `nc`, tshark's follow or PMU Connection Tester (`.PmuCapture`) save. Whether a flow is of
use is for a protocol to say: everything that TCP or UDP carried is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from protocol.capture import hextext, pcap, pcapng
from protocol.capture.packets import Dissector, Segment
from protocol.capture.records import Capture, CaptureError, Chunk, Flow, Notes, Record
from protocol.capture.tcp import Assembler


def read(path: Path) -> Capture:
    """The flows of a file. Raises CaptureError if it is empty, OSError if it can't be read."""
    return parse(path.read_bytes())


def parse(data: bytes) -> Capture:
    """The flows in the bytes of a file. Raises CaptureError if there are none."""
    if not data:
        raise CaptureError("the file is empty")
    notes = Notes()
    if data[:4] in pcap.MAGICS:
        return Capture("pcap", _flows(pcap.records(data, notes), notes), notes)
    if data[:4] == pcapng.MAGIC:
        return Capture("pcapng", _flows(pcapng.records(data, notes), notes), notes)
    if hextext.is_hex_text(data):
        return Capture("hex text", [Flow("file", chunks=hextext.chunks(data, notes))], notes)
    return Capture("raw bytes", [Flow("file", chunks=[Chunk(0, data)])], notes)


def _flows(records: Iterator[Record], notes: Notes) -> list[Flow]:
    dissector, assembler = Dissector(notes), Assembler(notes)
    datagrams: dict[tuple[str, int, str, int], Flow] = {}
    for record in records:
        for segment in dissector.segments(record):
            if segment.transport == "tcp":
                assembler.add(segment)
            elif segment.data:
                _datagram(datagrams, segment)
    dissector.close()
    flows = [*datagrams.values(), *assembler.flows()]
    return sorted(flows, key=lambda flow: flow.chunks[0].time)


def _datagram(flows: dict[tuple[str, int, str, int], Flow], segment: Segment) -> None:
    ends = (segment.source, segment.source_port, segment.destination, segment.destination_port)
    flow = flows.get(ends)
    if flow is None:
        flow = flows[ends] = Flow("udp", *ends)
    flow.chunks.append(Chunk(segment.time, segment.data))
