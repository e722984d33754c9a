"""The table: what the shipped one says, and the faults of others, each with file, line, key and remedy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from protocol.messages import Spectrum
from protocol.smd import SHIPPED, Kind, LayoutError, load
from protocol.smd.blocks import Polar
from protocol.smd.reading import parse

TEXT = SHIPPED.read_text(encoding="utf-8")


def test_the_shipped_table_has_the_published_rates_and_bands() -> None:
    layouts = load()
    assert layouts is load()
    assert layouts.provisional
    told = {
        kind: (device.fundamental.band, device.fundamental.rate, {s: of.rate for s, of in device.spectra.items()})
        for kind, device in layouts.kinds.items()
    }
    assert told == {
        Kind.R: ((20, 80), 50, {Spectrum.INTERHARMONICS: 1}),
        Kind.C: ((48, 52), 100, {}),
        Kind.L: ((45, 55), 50, {Spectrum.HARMONICS: 1, Spectrum.INTERHARMONICS: 1}),
    }
    load_spectra = layouts.kinds[Kind.L].spectra
    assert load_spectra[Spectrum.HARMONICS].components == tuple(range(2, 51))
    assert load_spectra[Spectrum.INTERHARMONICS].components == (*range(46), *range(55, 101))
    plants = layouts.kinds[Kind.R].spectra[Spectrum.INTERHARMONICS].components
    assert plants == (*range(21), *range(80, 101))


def test_the_example_of_the_page_is_a_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "smd-frames.md").read_text(encoding="utf-8")
    example = page[page.index("    head: {behind_fracsec") :].split("\n\nWithout")[0]
    told, changed = yaml.safe_load(TEXT), yaml.safe_load(example)
    told |= changed | {"blocks": told["blocks"] | changed["blocks"]}
    layouts = parse(yaml.safe_dump(told), "page")
    assert layouts.behind(Spectrum.INTERHARMONICS) == b"\x00\x02"
    numbers = layouts.blocks.harmonics.numbers
    assert isinstance(numbers, Polar)
    assert numbers.angle.radians == pytest.approx(math.radians(0.01))


def test_a_copy_is_read_as_the_shipped_one(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(TEXT, encoding="utf-8")
    assert load(mine) == load()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("0x60", "0x70", "flag: two kinds of frames have the same flag; give each a value of its own"),
        ("0x60", "0x30", "flag: 0x30 is the type of HDR, CFG or CMD; take 0x50, 0x60, 0x70 or more"),
        ("0x60", "0x80", "flag: 0x80 has bits outside the mask 0x70; widen the mask"),
        ("mask: 0x70", "mask: 0x7F", "flag: mask 0x7f covers the edition; take bits of 0xf0"),
        ("fundamental: 0x00", "fundamental: 0x50", "flag: fundamental is not 0; in byte 1 it is 0: the frame is DATA"),
        ("byte: 1 ", "byte: 20", "the table: flag.byte is 20; let it be 1, or make room by behind_fracsec"),
        ("step: 1}  ", "step: 0}  ", "kinds.SMD-R.interharmonics.step: Input should be greater than 0"),
        (
            "[[0, 20], [80, 100]]",
            "[[0, 20], [20, 100]]",
            "kinds.SMD-R.interharmonics.frequencies: the ranges do not asc",
        ),
        ("[[0, 20], [80, 100]]", "[[20, 0]]", "kinds.SMD-R.interharmonics.frequencies: the ranges do not ascend"),
        ("[[0, 20], [80, 100]]", "[]", "kinds.SMD-R.interharmonics: 0 components; have 1 to 4096"),
        ("[[2, 50]]", "[[2, 5000]]", "kinds.SMD-L.harmonics: 4999 components; have 1 to 4096: narrow the ranges"),
        ("{rate: 100,", "{rate: 0,", "kinds.SMD-C.fundamental.rate: 0 is no rate; frames per second"),
        ("  SMD-C: ", "  SMD-X: ", "kinds.SMD-X"),
        ("orders:", "order:", "kinds.SMD-L.harmonics.orders: Field required; add it"),
        (
            "[STAT, FREQ, DFREQ, COMPONENTS] ",
            "[FREQ, COMPONENTS] ",
            "blocks.harmonics: fields lacks STAT or COMPONENTS",
        ),
        ("[STAT, FREQ, DFREQ, COMPONENTS] ", "[STAT, STAT, COMPONENTS] ", "blocks.harmonics: fields names one twice"),
        ("[STAT, FREQ, DFREQ, COMPONENTS] ", "[STAT, TIME, COMPONENTS] ", "blocks.harmonics.fields.1"),
        ("[phasor, component, part]  ", "[phasor, phasor, part]  ", "blocks.harmonics: nesting names a level twice"),
        ("provisional: true", "", "provisional: Field required; add it"),
        ("provisional: true", "provisional: true\nhead: {}", "'head' stands twice; keep one"),
        ("provisional: true", "provisional: [", "not YAML: "),
    ],
)
def test_faults_are_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    mine = tmp_path / "mine.yaml"
    assert old in TEXT
    changed = TEXT.replace(old, new, 1)
    mine.write_text(changed, encoding="utf-8")
    with pytest.raises(LayoutError) as raised:
        load(mine)
    lines = str(raised.value).splitlines()
    assert any(fault in line for line in lines), lines
    assert all(line.startswith(f"{mine}:") and "; " in line for line in lines)


def test_a_fault_names_its_line(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(TEXT.replace("{rate: 100,", "{rate: 0,"), encoding="utf-8")
    line = next(k for k, each in enumerate(TEXT.splitlines(), 1) if "{rate: 100," in each)
    with pytest.raises(LayoutError, match=rf"mine.yaml:{line}: kinds.SMD-C.fundamental.rate: 0 is no rate"):
        load(mine)


@pytest.mark.parametrize(
    ("numbers", "fault"),
    [
        ({"form": "rectangular", "part": {"type": "uint16"}}, "uint16 has no sign"),
        (
            {"form": "polar", "magnitude": {"type": "uint16"}, "angle": {"type": "int16", "step": 1e-5}},
            "int16 of 1e-05 rad ends at 0.6553 rad of a circle; take a larger step",
        ),
        ({"form": "polar", "magnitude": {"type": "int8"}, "angle": {"type": "int16"}}, "numbers.magnitude.type"),
        ({"form": "round"}, "blocks.harmonics.numbers"),
    ],
)
def test_faults_of_numbers(tmp_path: Path, numbers: dict[str, Any], fault: str) -> None:
    told = yaml.safe_load(TEXT)
    told["blocks"]["harmonics"]["numbers"] = numbers
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(told), encoding="utf-8")
    with pytest.raises(LayoutError) as raised:
        load(mine)
    assert fault in str(raised.value), str(raised.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"word", b"- 1", b"[" * 1500, b"a: &b [*b]"])
def test_what_is_no_table(tmp_path: Path, content: bytes) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_bytes(content)
    with pytest.raises(LayoutError, match=str(mine)):
        load(mine)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"none\.yaml: cannot be read: No such file or directory; name a readable"):
        load(tmp_path / "none.yaml")
