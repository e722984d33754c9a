"""Q/GDW 131-2006 ("V2") and GB/T 26865.2-2011 ("V3"), both directions, without I/O: the twin of `protocol.c37118`.

`probe` tells whose bytes these are, `Splitter` cuts them into frames, `parse` reads those that are not DATA,
`compile_codec` and the `Bank` of C37.118 turn DATA into columns and back, `Master` and `Device` say who sends what
when, `Pairing` which two pipes are one substation's, `configurations` tells it to the other nodes.

What is known of the protocol, and what is not, stands in `common`.
"""

from protocol.c37118.codec import Bank, Batch, Codec, StationRows, fractions
from protocol.c37118.common import FrameError, FrameType, frame_type
from protocol.gbt26865.codec import compile_codec
from protocol.gbt26865.common import Frame, identity_of, identity_text, sound
from protocol.gbt26865.configuration import (
    Analog,
    ConfigurationFrame,
    Digital,
    Phasor,
    Station,
    encode_configuration,
)
from protocol.gbt26865.describe import configurations
from protocol.gbt26865.device import Device
from protocol.gbt26865.frames import (
    Command,
    CommandCode,
    DataFrame,
    HeaderFrame,
    encode_command,
    encode_header,
    meaning,
    parse,
)
from protocol.gbt26865.pairing import Pairing
from protocol.gbt26865.probing import probe, protocol_of
from protocol.gbt26865.selection import choose
from protocol.gbt26865.session import Master
from protocol.gbt26865.settings import MasterSettings, Pipe
from protocol.gbt26865.splitter import Splitter
from protocol.gbt26865.status import describe_quality, describe_status

__all__ = [
    "Analog",
    "Bank",
    "Batch",
    "Codec",
    "Command",
    "CommandCode",
    "ConfigurationFrame",
    "DataFrame",
    "Device",
    "Digital",
    "Frame",
    "FrameError",
    "FrameType",
    "HeaderFrame",
    "Master",
    "MasterSettings",
    "Pairing",
    "Phasor",
    "Pipe",
    "Splitter",
    "Station",
    "StationRows",
    "choose",
    "compile_codec",
    "configurations",
    "describe_quality",
    "describe_status",
    "encode_command",
    "encode_configuration",
    "encode_header",
    "fractions",
    "frame_type",
    "identity_of",
    "identity_text",
    "meaning",
    "parse",
    "probe",
    "protocol_of",
    "sound",
]
