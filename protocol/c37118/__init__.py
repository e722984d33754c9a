"""IEEE C37.118-2005 and C37.118.2-2011, both directions, without I/O.

`Splitter` cuts bytes into frames, `parse` reads those that are not DATA, `compile_codec` and `Bank` turn DATA into
columns and back, `Master` and `Device` say who sends what when, `configurations` tells it to the other nodes.
"""

from protocol.c37118.codec import (
    Bank,
    Batch,
    Codec,
    StationRows,
    compile_codec,
    decode,
    encode_data,
    fractions,
)
from protocol.c37118.describe import configurations
from protocol.c37118.fragments import Fragments
from protocol.c37118.frames import (
    Analog,
    Command,
    CommandCode,
    ConfigurationFrame,
    DataFrame,
    Digital,
    Fragment,
    Frame,
    FrameError,
    FrameType,
    HeaderFrame,
    Phasor,
    Station,
    encode_command,
    encode_configuration,
    encode_header,
    frame_type,
    parse,
    sound,
    stream_id,
)
from protocol.c37118.splitter import Splitter
from protocol.c37118.status import describe_quality, describe_status, usable

__all__ = [
    "Analog",
    "Bank",
    "Batch",
    "Codec",
    "Command",
    "CommandCode",
    "ConfigurationFrame",
    "DataFrame",
    "Digital",
    "Fragment",
    "Fragments",
    "Frame",
    "FrameError",
    "FrameType",
    "HeaderFrame",
    "Phasor",
    "Splitter",
    "Station",
    "StationRows",
    "compile_codec",
    "configurations",
    "decode",
    "describe_quality",
    "describe_status",
    "encode_command",
    "encode_configuration",
    "encode_data",
    "encode_header",
    "fractions",
    "frame_type",
    "parse",
    "sound",
    "stream_id",
    "usable",
]
