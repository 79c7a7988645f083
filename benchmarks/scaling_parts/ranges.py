"""Positive numbers that are not known exactly: a usual value, and the bounds that it lies between."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """A value with its bounds; a result's bounds are what its parts' worst and best values give together.

    Attributes:
        usual: The value.
        low: What it is at least.
        high: What it is at most.
    """

    usual: float
    low: float
    high: float

    def __mul__(self, other: Range | float) -> Range:
        by = of(other)
        return Range(self.usual * by.usual, self.low * by.low, self.high * by.high)

    def __truediv__(self, other: Range | float) -> Range:
        by = of(other)
        return Range(self.usual / by.usual, self.low / by.high, self.high / by.low)

    def __add__(self, other: Range | float) -> Range:
        more = of(other)
        return Range(self.usual + more.usual, self.low + more.low, self.high + more.high)

    __rmul__ = __mul__
    __radd__ = __add__

    def at_most(self, other: Range) -> Range:
        """Give the smaller of two."""
        return Range(min(self.usual, other.usual), min(self.low, other.low), min(self.high, other.high))

    def whole(self) -> Range:
        """Count in whole pieces."""
        return Range(math.ceil(self.usual), math.ceil(self.low), math.ceil(self.high))

    def __str__(self) -> str:
        return self.shown(2)

    def shown(self, digits: int) -> str:
        """Write the value, and its bounds where it has them.

        Args:
            digits: How many digits count; 0 for whole pieces, where all do.
        """
        if self.low == self.high:
            return shown(self.usual, digits)
        return f"{shown(self.usual, digits)} ({shown(self.low, digits)} to {shown(self.high, digits)})"


def of(value: Range | float) -> Range:
    """Give an exact number as a range."""
    return value if isinstance(value, Range) else Range(value, value, value)


def shown(value: float, digits: int) -> str:
    """Write a number with so many digits that count; with 0, a whole one with all of them."""
    if value == 0 or not digits:
        return f"{value:,.0f}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    written = f"{round(value, places):,.{max(places, 0)}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written
