"""What fields of messages are made of: arrays, and numbers with bounds."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

# What a reader may rely on: `protocol.wire` refuses a message that breaks these bounds or whose shapes do not fit.
Count = Annotated[int, range(1 << 63)]
Number4 = Annotated[int, range(1 << 32)]
Number2 = Annotated[int, range(1 << 16)]
TableKey = Annotated[tuple[int, ...], "table"]
"""A `Table` as plain numbers (`Table.key`); it sets the sizes p, a, d, o and c of the message."""
