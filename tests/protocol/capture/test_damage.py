"""Damaged captures: whatever the bytes, something is read or it is said why not; nothing is raised, nothing hangs."""

from __future__ import annotations

import random

import pytest

from protocol.c37118.offline import examine
from protocol.capture import parse
from protocol.capture.recognise import recognise
from tests import scenes
from tests.captures import enhanced, interface, ipv4, pcap, section, udp

RECORDS = scenes.busy()[0][:120]
FRAGMENT = ipv4("10.0.0.1", "10.0.0.9", 17, udp(1, 2, bytes(900))[:800], 7, 0x2000)
WHOLE = {
    "pcap": pcap(RECORDS),
    "raw ip": pcap([(time, packet[14:]) for time, packet in RECORDS] + [(1, FRAGMENT)], 101),
    "pcapng": section() + interface(1, 9) + b"".join(enhanced(time, packet) for time, packet in RECORDS),
    "raw": scenes.told(scenes.configuration()) + b"".join(scenes.data(scenes.configuration(), 60)),
    "hex": scenes.told(scenes.configuration()).hex().encode(),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_mutated_captures(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(150):
        data = bytearray(WHOLE[kind])
        for _ in range(chance.randrange(1, 20)):
            data[chance.randrange(len(data))] = chance.choice((0, 0xFF, 0xAA, chance.randrange(256)))
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        if not data:
            continue
        capture = parse(bytes(data))
        study = examine(capture)
        assert sum(len(part.pieces) for part in study.decode()) <= sum(sender.frames for sender in study.senders)
        if not study.senders:
            assert recognise(capture)


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_cut_captures_lose_nothing_before_the_cut(kind: str) -> None:
    whole = WHOLE[kind]
    before = 0
    for cut in range(len(whole) // 10, len(whole), len(whole) // 10):
        found = sum(sender.frames for sender in examine(parse(whole[:cut])).senders)
        assert found >= before
        before = found
    assert before > 50
