"""Capture files to flows."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from protocol.capture import CaptureError, parse, read
from tests.captures import (
    Talk,
    datagram,
    enhanced,
    ethernet,
    interface,
    ipv4,
    pcap,
    section,
    udp,
)

DATA = bytes(range(1, 100))
SECOND = 10**9
PACKET = ethernet(ipv4("10.0.0.1", "10.0.0.9", 17, udp(4713, 50000, DATA)))
BARE = ipv4("10.0.0.1", "10.0.0.9", 17, udp(4713, 50000, DATA))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("nano", "time"), [(False, SECOND + 2000), (True, SECOND + 2001)])
def test_pcap_of_either_order_and_resolution(order: str, nano: bool, time: int) -> None:
    capture = parse(pcap([(time, PACKET)], order=order, nano=nano))
    assert capture.kind == "pcap"
    (flow,) = capture.flows
    assert str(flow) == "udp 10.0.0.1:4713 > 10.0.0.9:50000"
    assert flow.chunks == [(time, DATA)]
    assert not capture.notes.texts


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "stamp", "time"),
    [(None, 5_000_001, 5_000_001_000), (9, 5_000_000_001, 5_000_000_001), (0x80 | 10, 5 * 1024 + 512, 5_500_000_000)],
)
def test_pcapng_resolutions(order: str, resolution: int | None, stamp: int, time: int) -> None:
    capture = parse(section(order) + interface(1, resolution, order) + enhanced(stamp, PACKET, 0, order))
    assert capture.flows[0].chunks == [(time, DATA)]
    assert capture.kind == "pcapng"


def test_pcapng_with_two_interfaces_and_two_sections() -> None:
    first = section() + interface(1) + interface(101, 9) + enhanced(7, BARE, 1) + enhanced(1, PACKET, 0)
    second = section(">") + interface(228, None, ">") + enhanced(3, BARE, 0, ">")
    (flow,) = parse(first + second).flows
    assert [chunk.time for chunk in flow.chunks] == [7, 1000, 3000]


@pytest.mark.parametrize(
    ("link", "packet"),
    [
        (1, PACKET),
        (1, ethernet(BARE, 17)),
        (1, ethernet(BARE, 17, 18)),
        (101, BARE),
        (0, struct.pack("<I", 2) + BARE),
        (108, struct.pack(">I", 2) + BARE),
        (113, bytes(14) + b"\x08\x00" + BARE),
        (276, b"\x08\x00" + bytes(18) + BARE),
    ],
    ids=["ethernet", "vlan", "two vlans", "raw", "null", "loop", "cooked", "cooked 2"],
)
def test_link_layers(link: int, packet: bytes) -> None:
    assert parse(pcap([(1, packet)], link)).flows[0].data() == DATA


def test_ipv6_with_an_extension_header() -> None:
    datagram6 = udp(1, 2, DATA)
    extension = bytes([17, 0]) + bytes(6)
    ends = bytes(15) + b"\x01" + bytes(15) + b"\x02"
    packet = struct.pack(">IHBB", 6 << 28, len(extension + datagram6), 60, 64) + ends + extension + datagram6
    (flow,) = parse(pcap([(1, packet)], 101)).flows
    assert (flow.source, flow.destination, flow.data()) == ("::1", "::2", DATA)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_ip_fragments_in_any_order(order: tuple[int, ...]) -> None:
    whole = udp(4713, 50000, bytes(2000))
    cuts = [(0, 0x2000, whole[:800]), (800, 0x2000, whole[800:1600]), (1600, 0, whole[1600:])]
    pieces = [ipv4("10.0.0.1", "10.0.0.9", 17, data, 7, more | offset // 8) for offset, more, data in cuts]
    capture = parse(pcap([(at, pieces[number]) for at, number in enumerate(order)], 101))
    assert capture.flows[0].data() == bytes(2000)
    assert not capture.notes.texts


def test_a_missing_fragment_is_noted() -> None:
    piece = ipv4("10.0.0.1", "10.0.0.9", 17, udp(1, 2, bytes(1000))[:800], 7, 0x2000)
    capture = parse(pcap([(1, piece)], 101))
    assert not capture.flows
    assert "1 fragmented IP packets" in capture.notes.texts[0]


def test_ethernet_padding_is_no_data() -> None:
    short = ethernet(ipv4("10.0.0.1", "10.0.0.9", 17, udp(1, 2, b"ab")))
    assert parse(pcap([(1, short)])).flows[0].data() == b"ab"


@pytest.mark.parametrize("cut", [1, 15, 30, 100])
def test_a_cut_pcap_gives_what_can_be_read_and_says_where(cut: int) -> None:
    whole = pcap([(1000, PACKET), (2000, PACKET)])
    capture = parse(whole[:-cut])
    assert capture.flows[0].chunks == [(1000, DATA)]
    assert f"within the record at byte {24 + 16 + len(PACKET)}" in capture.notes.texts[0]


def test_a_damaged_pcap_ends_with_a_note() -> None:
    whole = pcap([(1000, PACKET)]) + b"\xff" * 40
    capture = parse(whole)
    assert capture.flows[0].chunks == [(1000, DATA)]
    assert "damaged" in capture.notes.texts[0]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_cut_pcapng_says_where(cut: int) -> None:
    whole = section() + interface() + enhanced(1, PACKET) + enhanced(2, PACKET)
    capture = parse(whole[:-cut])
    assert len(capture.flows[0].chunks) == 1
    assert "cut off within the block" in capture.notes.texts[0]


def test_foreign_packets_are_left_out() -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(46)
    icmp = ethernet(ipv4("10.0.0.1", "10.0.0.9", 1, bytes(20)))
    liar = ethernet(ipv4("10.0.0.1", "10.0.0.9", 6, b"\x01"))
    assert parse(pcap([(1, arp), (2, icmp), (3, liar), (4, b"")])).flows == []


def test_an_unknown_link_layer_is_noted_once() -> None:
    capture = parse(pcap([(1, PACKET), (2, PACKET)], 147))
    assert len(capture.notes.texts) == 1
    assert "link type 147" in capture.notes.texts[0]


def test_flows_stand_in_order_of_their_first_byte() -> None:
    talk = Talk().opened(10).sends(20, b"tcp")
    records = sorted([*talk.records, datagram(15, "10.0.0.2", "10.0.0.9", b"udp")])
    assert [flow.transport for flow in parse(pcap(records)).flows] == ["udp", "tcp"]


HEX = DATA.hex()


@pytest.mark.parametrize(
    "text",
    [
        HEX,
        HEX.upper() + "\n",
        "\n".join(HEX[at : at + 20] for at in range(0, len(HEX), 20)),
        "\n".join(HEX[at : at + 15] for at in range(0, len(HEX), 15)),
        " ".join(HEX[at : at + 2] for at in range(0, len(HEX), 2)),
        ",".join("0x" + HEX[at : at + 2] for at in range(0, len(HEX), 2)),
        f"# a frame\nlabel of it\t{HEX}\tlen=99 ok=True\n",
        "".join(f"{at:08x}: {DATA[at : at + 16].hex(' ', 2)}  {'.' * 16}\n" for at in range(0, len(DATA), 16)),
        "".join(f"{at:04x}  {DATA[at : at + 16].hex(' ')}  {'.' * 16}\n" for at in range(0, len(DATA), 16)),
    ],
    ids=["plain", "upper", "wrapped", "wrapped odd", "blanks", "c array", "labelled", "xxd", "dump"],
)
def test_hex_text(text: str) -> None:
    capture = parse(text.encode())
    assert capture.kind == "hex text"
    assert capture.flows[0].data() == DATA


def test_other_text_is_raw_bytes() -> None:
    assert parse(b"dead or alive, this is no hex\n").kind == "raw bytes"


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(CaptureError, match="empty"):
        parse(b"")


@pytest.mark.parametrize("name", ["C37.118_1PMU_TCP", "c37_1100_clean_tcp"])
def test_streams_are_those_that_tshark_follows(shared: Path, name: str) -> None:
    folder = shared / "data" / "captures"
    flows = {flow.data() for flow in read(folder / f"{name}.pcap").flows}
    for direction in ("client2server", "server2client"):
        assert (folder / "streams" / f"{name}.s0.{direction}.bin").read_bytes() in flows
