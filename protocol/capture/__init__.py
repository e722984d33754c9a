"""Capture files to flows of bytes: pcap, pcapng, raw streams, hex text. Pure: bytes in, bytes out."""

from protocol.capture.reading import parse, read
from protocol.capture.records import Capture, CaptureError, Chunk, Flow, Notes

__all__ = ["Capture", "CaptureError", "Chunk", "Flow", "Notes", "parse", "read"]
