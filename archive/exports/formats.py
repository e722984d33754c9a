"""What a format's writer is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from archive.exports.blocks import Block, Order, read
from archive.exports.plan import Plan, Sheet
from archive.exports.target import Target

Meanwhile = Callable[[int], None]
"""Told after every block how many rows were written: for progress, and to let others go first."""


class Writer(ABC):
    """Writes a plan to a target."""

    def __init__(self, plan: Plan, target: Target) -> None:
        """Raises ArchiveError if the format can't hold the plan."""
        self.plan, self.target = plan, target

    @abstractmethod
    def run(self, meanwhile: Meanwhile) -> None:
        """Write all of it. Raises ArchiveError, OSError."""


class BlockWriter(Writer):
    """Writes block by block."""

    ORDER = Order.TOGETHER

    def run(self, meanwhile: Meanwhile) -> None:
        try:
            for sheet in self.plan.sheets:
                self.begin(sheet)
                for block in read(sheet, self.plan.wish, self.ORDER):
                    self.write(sheet, block)
                    meanwhile(block.rows)
                self.end(sheet)
            self.finish()
        finally:
            self.close()

    def begin(self, sheet: Sheet) -> None:
        """The first block of a table is next."""

    @abstractmethod
    def write(self, sheet: Sheet, block: Block) -> None:
        """Some rows."""

    def end(self, sheet: Sheet) -> None:
        """That was the last block of a table."""

    def finish(self) -> None:
        """All rows were written."""

    def close(self) -> None:
        """Let go of what is open, whatever happened."""
