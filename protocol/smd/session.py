"""The master's session with an SMD: that of GB/T 26865.2, whose DATA are frames of several kinds."""

from __future__ import annotations

from protocol import gbt26865
from protocol.c37118.common import FrameError
from protocol.clock import Now
from protocol.gbt26865.configuration import ConfigurationFrame
from protocol.gbt26865.events import Event, Refused
from protocol.gbt26865.settings import MasterSettings, Pipe
from protocol.gbt26865.states import State
from protocol.messages import Spectrum
from protocol.smd.codec import compile_codecs
from protocol.smd.frames import spectrum_of
from protocol.smd.table import Kind, Layouts

NO_SPECTRA = "spectra of an SMD, which its `kind` in the site file has not; correct `protocol` and `kind`"


class Master(gbt26865.Master):
    """One SMD's session. Which kind of SMD it is may be told later: until then only fundamentals fit."""

    def __init__(self, settings: MasterSettings, layouts: Layouts) -> None:
        super().__init__(settings)
        self._layouts = layouts
        self._kind: Kind | None = None
        self._spectra: dict[Spectrum, tuple[int, bytes]] = {}
        """Size and first bytes of the frames that fit."""

    def know(self, kind: Kind | None) -> None:
        """Which kind of SMD it is; None: it sends fundamentals only. Raises FrameError if the table does not fit what
        it is configured to."""
        self._kind = kind
        if self.cfg is not None:
            super()._adopt(self.cfg)
            self._fit(self.cfg)

    def accepts(self, frame: bytes) -> bool:
        """Whether a frame is one with rows, of the configuration in force."""
        spectrum = self._spectrum(frame)
        if not spectrum:
            return super().accepts(frame)
        size, lead = self._spectra.get(spectrum, (0, b""))
        return len(frame) == size and frame.startswith(lead)

    def receive(self, frame: bytes, now: Now, pipe: Pipe = Pipe.MANAGEMENT) -> list[Event]:
        """A frame with a good check word that `accepts` declined."""
        spectrum = self._spectrum(frame)
        if spectrum and spectrum not in self._spectra and self.state is State.RUNNING:
            return [Refused(frame, NO_SPECTRA)]
        if spectrum is not None:
            return self._misfit(frame, now)
        return super().receive(frame, now, pipe)

    def _spectrum(self, frame: bytes) -> Spectrum | None:
        """As `spectrum_of`; frames of a device that is no SMD have no flag in their body."""
        flagged = self._kind is not None or self._layouts.seconds
        return spectrum_of(frame, self._layouts) if flagged else None

    def _size_of(self, cfg: ConfigurationFrame) -> int:
        return super()._size_of(cfg) + (self._layouts.head.behind_fracsec if self._kind is not None else 0)

    def _adopt(self, cfg: ConfigurationFrame) -> None:
        super()._adopt(cfg)
        try:
            self._fit(cfg)
        except FrameError:
            self._spectra = {}  # whoever compiles its codecs is told why

    def _fit(self, cfg: ConfigurationFrame) -> None:
        self._spectra = {}
        if self._kind is not None:
            codecs = compile_codecs(cfg, self._kind, self._layouts)
            self._spectra = {spectrum: (codec.frame_size, codec.lead) for spectrum, codec in codecs.items()}
