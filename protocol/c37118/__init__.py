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
    use_kernels,
)
from protocol.c37118.describe import configurations
from protocol.c37118.device import Device
from protocol.c37118.events import Configured, Data, Ended, Extended, Heard, Lost, Refused, Send, StartData, StopData
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
from protocol.c37118.session import Master, MasterSettings
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
    "Configured",
    "Data",
    "DataFrame",
    "Device",
    "Digital",
    "Ended",
    "Extended",
    "Fragment",
    "Fragments",
    "Frame",
    "FrameError",
    "FrameType",
    "HeaderFrame",
    "Heard",
    "Lost",
    "Master",
    "MasterSettings",
    "Phasor",
    "Refused",
    "Send",
    "Splitter",
    "StartData",
    "Station",
    "StationRows",
    "StopData",
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
    "use_kernels",
]
