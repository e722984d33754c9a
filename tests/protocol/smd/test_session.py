"""A master's session with an SMD: which frames it accepts, by kind and table."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from protocol import gbt26865, smd
from protocol.clock import SECOND, Now
from protocol.gbt26865 import MasterSettings
from protocol.messages import Spectrum
from tests.pipestations import configuration, frames

WHO = b"SMDL0001"
NOW = Now(SECOND, 1_600_000_000 * SECOND)
IN_THE_BODY = smd.load().model_dump() | {
    "head": {"behind_fracsec": 2},
    "flag": {"byte": 20, "mask": 3, "fundamental": 0, "harmonics": 1, "interharmonics": 2},
}


def configured(layouts: smd.Layouts) -> smd.Master:
    master = smd.Master(MasterSettings(), layouts)
    master.begin(NOW)
    for kind in (1, 2):
        master.receive(gbt26865.encode_configuration(configuration(WHO), kind), NOW)
    return master


def one_of_each(layouts: smd.Layouts) -> Mapping[Spectrum, bytes]:
    codecs = smd.compile_codecs(configuration(WHO), smd.Kind.L, layouts)
    return {spectrum: frames(codec, 1, 0, 1)[0] for spectrum, codec in codecs.items()}


@pytest.mark.parametrize("layouts", [smd.load(), smd.Layouts.model_validate(IN_THE_BODY)])
def test_a_kind_that_is_known_later_has_all_its_frames_accepted(layouts: smd.Layouts) -> None:
    master = configured(layouts)
    sent = one_of_each(layouts)
    for kind in (smd.Kind.L, None, smd.Kind.L):
        master.know(kind)
        accepted = {spectrum for spectrum, frame in sent.items() if master.accepts(frame)}
        assert accepted == (set(sent) if kind else {Spectrum.NONE} if layouts.seconds else set())
    assert master.cfg is not None
    assert master.data_size == len(sent[Spectrum.NONE])


def test_a_device_that_is_no_smd_has_no_flag_in_its_frames() -> None:
    """What stands there is its STAT, whatever the table of SMDs says."""
    master = configured(smd.Layouts.model_validate(IN_THE_BODY))
    codec = gbt26865.compile_codec(configuration(WHO))
    plain = bytearray(frames(codec, 50, 0, 1)[0])
    for status in range(4):
        plain[20] = status
        assert master.accepts(bytes(plain))
