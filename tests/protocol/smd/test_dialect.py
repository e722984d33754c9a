"""Captures of SMDs: frames of three kinds read with one configuration, and which kind of SMD that is."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.c37118.offline import Part, Study, examine
from protocol.capture import parse as parse_capture
from protocol.clock import SECOND
from protocol.gbt26865 import ConfigurationFrame, encode_configuration, fractions
from protocol.messages import Spectrum
from protocol.smd import Kind, Layouts, compile_codecs, load
from protocol.smd.dialect import Reading, dialect_of
from tests.captures import Talk, pcap
from tests.protocol.gbt26865 import strategies as theirs
from tests.protocol.smd import byhand
from tests.protocol.smd import strategies as make
from tests.protocol.smd.test_codec import rows_of

BEGIN = 1_700_000_000 * SECOND
FLAGGED = {
    "head": {"behind_fracsec": 2},
    "flag": {"byte": 21, "mask": 0xFF, "fundamental": 0, "harmonics": 1, "interharmonics": 2},
}


def frames_of(cfg: ConfigurationFrame, kind: Kind, layouts: Layouts) -> dict[Spectrum, list[bytes]]:
    """Three of each spectrum."""
    times = BEGIN + SECOND * np.arange(3, dtype=np.int64)
    return {
        spectrum: codec.bank().encode(
            [rows_of(codec, 0, 3, 1)] if spectrum else theirs.rows(codec, 3, 1), *fractions(times, cfg.time_base)
        )
        for spectrum, codec in compile_codecs(cfg, kind, layouts).items()
    }


def capture_of(cfg: ConfigurationFrame, frames: dict[Spectrum, list[bytes]], address: str = "10.0.0.1") -> Talk:
    talk = Talk(address, device_port=8000).opened(BEGIN).sends(BEGIN + 1, encode_configuration(cfg))
    for k, frame in enumerate(each for some in frames.values() for each in some):
        talk.sends(BEGIN + 2 + k, frame)
    return talk


def study_of(layouts: Layouts, kind: Kind | None, *talks: Talk) -> Study:
    records = sorted((record for talk in talks for record in talk.records), key=lambda record: record[0])
    return examine(parse_capture(pcap(records)), lambda _: [dialect_of(layouts, kind)])


def reading_of(part: Part) -> Reading:
    assert isinstance(part.configuration, Reading)
    return part.configuration


@pytest.mark.parametrize("told", [None, Kind.L], ids=["guessed", "told"])
@pytest.mark.parametrize("layouts", [load(), Layouts.model_validate(make.shipped(**FLAGGED))], ids=["sync", "behind"])
def test_all_kinds_of_frames_of_a_device(layouts: Layouts, told: Kind | None) -> None:
    cfg = make.configuration()
    frames = frames_of(cfg, Kind.L, layouts)
    study = study_of(layouts, told, capture_of(cfg, frames))
    parts = {reading_of(part).spectrum: part for part in study.decode()}
    assert set(parts) == {Spectrum.NONE, Spectrum.HARMONICS, Spectrum.INTERHARMONICS}
    for spectrum in (Spectrum.HARMONICS, Spectrum.INTERHARMONICS):
        assert reading_of(parts[spectrum]).smd is Kind.L
        for k, frame in enumerate(frames[spectrum]):
            byhand.check(frame, parts[spectrum].batch, k, cfg, (layouts, Kind.L, spectrum))
    reading = reading_of(parts[Spectrum.HARMONICS])
    (harmonics,) = dialect_of(layouts, told).configurations(reading, 0, "", 0)
    assert [each.name for each in reading.stations[0].phasors] == harmonics.phasor_channels
    assert (harmonics.protocol, harmonics.phasor_channels[0], len(harmonics.phasor_channels)) == (
        "smd",
        "Ua h2",
        4 * 49,
    )


def test_devices_of_several_kinds_in_one_capture() -> None:
    layouts = load()
    one, other = make.configuration(identity=b"SMDR0001"), make.configuration(identity=b"SMDL0001")
    study = study_of(
        layouts,
        None,
        capture_of(one, frames_of(one, Kind.R, layouts), "10.0.0.1"),
        capture_of(other, frames_of(other, Kind.L, layouts), "10.0.0.2"),
    )
    found = {(part.sender.flow.source, reading_of(part).spectrum, reading_of(part).smd) for part in study.decode()}
    assert found == {
        ("10.0.0.1", Spectrum.NONE, None), ("10.0.0.1", Spectrum.INTERHARMONICS, Kind.R),
        ("10.0.0.2", Spectrum.NONE, None), ("10.0.0.2", Spectrum.HARMONICS, Kind.L),
        ("10.0.0.2", Spectrum.INTERHARMONICS, Kind.L),
    }  # fmt: skip


def alike() -> Layouts:
    """SMD-R and SMD-L have as many inter-harmonics, of other frequencies."""
    kinds = load().model_dump(mode="json")["kinds"]
    kinds["SMD-L"]["interharmonics"] |= {"frequencies": [[0, 40]]}
    kinds["SMD-R"]["interharmonics"] |= {"frequencies": [[40, 80]]}
    return Layouts.model_validate(make.shipped(kinds=kinds))


def test_what_two_kinds_send_alike_has_to_be_told_apart() -> None:
    layouts, cfg = alike(), make.configuration()
    talk = capture_of(cfg, frames_of(cfg, Kind.R, layouts))
    (sender,) = study_of(layouts, None, talk).senders
    assert not sender.in_force
    (fault,) = sender.faults.values()
    assert "frames of interharmonics of SMD-R and SMD-L have" in fault
    assert "say which of them it is" in fault
    assert len(study_of(layouts, Kind.R, talk).senders[0].in_force) == 6


def test_spectra_that_the_kind_has_not_stay_without_configuration() -> None:
    layouts, cfg = load(), make.configuration()
    (sender,) = study_of(layouts, Kind.C, capture_of(cfg, frames_of(cfg, Kind.L, layouts))).senders
    assert [each.spectrum for each in sender.in_force.values() if isinstance(each, Reading)] == [Spectrum.NONE] * 3
