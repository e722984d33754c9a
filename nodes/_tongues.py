"""The protocols that a receiver speaks, and what it needs to know of each: a `Tongue`.

They differ in the check word and in who is named how (IDCODE of 16 bits, identity of 8 bytes), not in what a receiver
does: the session says what is asked and told, codecs decode DATA, configurations are told to the other nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodes._patterns import matches
from protocol import c37118, gbt26865, smd
from protocol.c37118 import Codec, ConfigurationFrame, FrameType, frame_type, session
from protocol.c37118.common import CONFIGURATIONS
from protocol.c37118.decoding import recalled, remembered
from protocol.c37118.dialect import C37118
from protocol.c37118.splitter import Splitter, piece_index
from protocol.clock import SECOND
from protocol.gbt26865 import configuration as gbt_configuration
from protocol.gbt26865.common import IDENTITY, V2, V3, head_size
from protocol.gbt26865.describe import whose
from protocol.gbt26865.selection import Channel
from protocol.gbt26865.settings import Select
from protocol.messages import Configuration, Spectrum

Session = session.Master | gbt26865.Master
V2_BLOCK_IDCODE = slice(24, 32)
"""Of the first block, in the body of a V2 configuration: D_FRAME 2 | MEAS_RATE 4 | NUM_PMU 2 | STN 16."""
DIALLED_IN = SECOND
"""A substation that dials its data pipe may do so only when DATA are asked for: it is awaited no longer before that."""


class Tongue:
    """IEEE C37.118; the others are derived from it."""

    name = "c37118"
    edition = 0
    """Of GB/T 26865.2; 0: not of that family."""

    def splitter(self) -> Splitter:
        """For a new connection."""
        return Splitter()

    def restored(self, tail: bytes, state: list[int]) -> Splitter:
        """One that goes on in the middle of a stream."""
        return Splitter.restored(tail, state)

    def master(self, settings: session.MasterSettings, download: dict[str, Any] | None = None) -> Session:
        """Our side of it. `settings`: as for C37.118, `stream` being the number of `stream_of`."""
        return session.Master(settings)

    def is_data(self, frame: bytes) -> bool:
        """Whether a frame has rows."""
        return frame_type(frame) == FrameType.DATA

    def is_configuration(self, frame: bytes) -> bool:
        return frame_type(frame) in CONFIGURATIONS

    def stream(self, frame: bytes) -> int:
        """Whose frame it is, as a number; of V2 frames that do not say so, -1."""
        return C37118.stream(frame)

    def stream_of(self, cfg: ConfigurationFrame, master: Session) -> int:
        """Whose configuration, told to `master`, it is, as a number that the site file's entry has, too; never 0."""
        return cfg.stream

    def teller(self, frame: bytes) -> int:
        """Who told a configuration frame, as far as it says so."""
        return self.stream(frame)

    def body(self, frame: bytes) -> tuple[int, bytes]:
        """(which piece of it this is, what it says) of a configuration frame."""
        start = 16 if frame_type(frame) == FrameType.CONFIGURATION_3 else 14
        return piece_index(frame), frame[start:-2]

    def spectrum(self, frame: bytes) -> int:
        """Which of the `codecs` a frame with rows is of."""
        return Spectrum.NONE

    def codecs(self, cfg: ConfigurationFrame, identity: dict[str, Any]) -> dict[int, Codec]:
        """Spectrum -> codec. `identity`: the site file's entry, as far as it is known."""
        return {Spectrum.NONE: c37118.compile_codec(cfg, _scales(identity))}

    def configurations(
        self, cfg: ConfigurationFrame, number: int, identity: dict[str, Any], **place: Any
    ) -> list[Configuration]:
        """What other nodes hear of it."""
        return c37118.configurations(cfg, number, identity["name"], 0, **place)

    def tell(self, master: Session, identity: dict[str, Any]) -> None:
        """A session whose frames with rows are of several kinds is told who it is, to know which."""

    def expected(self, master: Session) -> int | None:
        """Whose frames a session wants, as a number; None: whoever comes."""
        assert isinstance(master, session.Master)
        return master.stream

    def remembered(self, cfg: Any) -> list[Any]:
        """As plain values."""
        return remembered(cfg)

    def recalled(self, kept: list[Any]) -> ConfigurationFrame:
        """Inverse of `remembered`."""
        return recalled(kept)


class Chinese(Tongue):
    """GB/T 26865.2-2011 ("V3") or Q/GDW 131-2006 ("V2")."""

    edition = V3

    def splitter(self) -> Splitter:
        return gbt26865.Splitter()

    def restored(self, tail: bytes, state: list[int]) -> Splitter:
        return gbt26865.Splitter.restored(tail, state)

    def master(self, settings: session.MasterSettings, download: dict[str, Any] | None = None) -> Session:
        return gbt26865.Master(self._settings(settings, download))

    def _settings(self, settings: session.MasterSettings, download: dict[str, Any] | None) -> gbt26865.MasterSettings:
        return gbt26865.MasterSettings(
            identity=None if settings.stream is None else settings.stream.to_bytes(IDENTITY, "big"),
            version=self.edition,
            select=selected(download) if download else None,
            wait=settings.wait,
            pairing=DIALLED_IN,
        )

    def stream(self, frame: bytes) -> int:
        return int.from_bytes(gbt26865.identity_of(frame), "big") or -1

    def stream_of(self, cfg: ConfigurationFrame, master: Session) -> int:
        assert isinstance(cfg, gbt26865.ConfigurationFrame)
        assert isinstance(master, gbt26865.Master)
        if cfg.version == V2 and master.addressed:  # its blocks may have labels in the place of its IDCODE
            return int.from_bytes(master.addressed, "big")
        return int.from_bytes(whose(cfg), "big") or 1

    def teller(self, frame: bytes) -> int:
        if frame[1] & 15 == V2:
            return int.from_bytes(self.body(frame)[1][V2_BLOCK_IDCODE], "big")
        return self.stream(frame)

    def body(self, frame: bytes) -> tuple[int, bytes]:
        return 0, frame[head_size(frame[1] & 15, frame_type(frame)) : -2]

    def codecs(self, cfg: ConfigurationFrame, identity: dict[str, Any]) -> dict[int, Codec]:
        assert isinstance(cfg, gbt26865.ConfigurationFrame)
        return {Spectrum.NONE: gbt26865.compile_codec(cfg, _scales(identity))}

    def configurations(
        self, cfg: ConfigurationFrame, number: int, identity: dict[str, Any], **place: Any
    ) -> list[Configuration]:
        assert isinstance(cfg, gbt26865.ConfigurationFrame)
        return gbt26865.configurations(cfg, number, identity["name"], 0, **place)

    def expected(self, master: Session) -> int | None:
        assert isinstance(master, gbt26865.Master)
        return None if master.identity is None else int.from_bytes(master.identity, "big")

    def remembered(self, cfg: Any) -> list[Any]:
        return gbt_configuration.remembered(cfg)

    def recalled(self, kept: list[Any]) -> ConfigurationFrame:
        return gbt_configuration.recalled(kept)


class Older(Chinese):
    """Q/GDW 131-2006 ("V2")."""

    name = "qgdw131"
    edition = V2


def selected(download: dict[str, Any]) -> Select:
    """What of a CFG-1 is downloaded as CFG-2: `channels` (patterns as of file names) and `period` (None: its own)."""
    patterns: Sequence[str] = download["channels"]

    def keep(station: gbt26865.Station, channel: Channel) -> bool:
        names = channel.labels if isinstance(channel, gbt26865.Digital) else [channel.name]
        return matches(names, patterns)

    return lambda capability: gbt26865.choose(capability, keep, download["period"])


def _scales(identity: dict[str, Any]) -> dict[str, float]:
    """What the site file says of its analogs, by channel name."""
    return {name: each["scale"] for name, each in identity.get("analogs", {}).items()}


class Smd(Chinese):
    """GB/T 26865.2-2011 with the frames of SMDs; a device that is none has fundamentals only."""

    def __init__(self, name: str, table: Path | None) -> None:
        """`table`: of the frames' layouts; None: the one that comes with the program. Raises LayoutError."""
        self.name, self.layouts = name, smd.load(table)

    def splitter(self) -> Splitter:
        return smd.splitter_of(self.layouts)()

    def restored(self, tail: bytes, state: list[int]) -> Splitter:
        return smd.splitter_of(self.layouts).restored(tail, state)

    def master(self, settings: session.MasterSettings, download: dict[str, Any] | None = None) -> Session:
        return smd.Master(self._settings(settings, download), self.layouts)

    def is_data(self, frame: bytes) -> bool:
        return smd.spectrum_of(frame, self.layouts) is not None or super().is_data(frame)

    def spectrum(self, frame: bytes) -> int:
        return smd.spectrum_of(frame, self.layouts) or Spectrum.NONE

    def codecs(self, cfg: ConfigurationFrame, identity: dict[str, Any]) -> dict[int, Codec]:
        assert isinstance(cfg, gbt26865.ConfigurationFrame)
        kind = _kind(identity)
        if kind is None:
            return super().codecs(cfg, identity)
        return dict(smd.compile_codecs(cfg, kind, self.layouts, _scales(identity)).items())

    def configurations(
        self, cfg: ConfigurationFrame, number: int, identity: dict[str, Any], **place: Any
    ) -> list[Configuration]:
        assert isinstance(cfg, gbt26865.ConfigurationFrame)
        kind = _kind(identity)
        if kind is None:
            return super().configurations(cfg, number, identity, **place)
        return smd.configurations(cfg, kind, self.layouts, number, identity["name"], 0, **place)

    def tell(self, master: Session, identity: dict[str, Any]) -> None:
        assert isinstance(master, smd.Master)
        master.know(_kind(identity))


def _kind(identity: dict[str, Any]) -> smd.Kind | None:
    """Which kind of SMD the site file says that it is."""
    return smd.Kind(f"SMD-{identity['kind']}") if identity.get("kind") else None


def tongues(table: Path | None = None) -> dict[str, Tongue]:
    """All of them, as the site file calls them; `table`: of the layouts of SMDs' frames. Raises LayoutError.

    Spectra are known as such also where they are not expected: to be refused by name, and not taken for noise.
    """
    return {each.name: each for each in (Tongue(), Smd("gbt26865", table), Older(), Smd("smd", table))}
