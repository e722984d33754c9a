"""Numbered streams: who writes numbers its words and keeps them, who reads notices a gap and fetches.

One path serves crashes, drops, partitions, slow readers and late joiners: a reader that sees number 7 after 4 holds it,
asks the writer for [5, 7) and goes on in order. What a writer keeps of earlier lives (its epochs before this one)
is read to its end before the next. Both halves are pure: messages in, actions out, time an argument.
"""

from nodes._streamreader import FETCH_AGAIN_AFTER, HOLD_AT_MOST, HOLD_BYTES, TELL_AGAIN_AFTER, Reader, size_in_memory
from nodes._streamwriter import ANNOUNCE_EVERY, FETCH_AT_MOST, FETCH_BYTES, Writer, size_of

__all__ = [
    "ANNOUNCE_EVERY",
    "FETCH_AGAIN_AFTER",
    "FETCH_AT_MOST",
    "FETCH_BYTES",
    "HOLD_AT_MOST",
    "HOLD_BYTES",
    "TELL_AGAIN_AFTER",
    "Reader",
    "Writer",
    "size_in_memory",
    "size_of",
]
