"""The memory of a process over time."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path

SETTLED = 0.05  # of the time: until then caches fill
_WINDOW = 0.05
_HOUR = 3600.0
_MEBIBYTE_IN_KIB = 1024.0
# What a growth that never stops would pass within a day or two; what an allocator moves to and fro stays below.
_MOST_GROWTH = 0.05
# In a shorter time the growth of the first minutes, in which caches fill, is most of it.
_JUDGED_FROM = 600.0


def resident(process: int) -> float:
    """Read how much memory of a process is resident, in MiB (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _MEBIBYTE_IN_KIB
    raise OSError("the process has ended")


@dataclass
class Memory:
    """Samples of a process's memory.

    Attributes:
        samples: Seconds since the start, and MiB.
    """

    samples: list[tuple[float, float]] = field(default_factory=list)

    def early(self) -> float:
        """Give the MiB once caches are full: the median just after 5 % of the time."""
        return self._median(SETTLED, SETTLED + _WINDOW)

    def late(self) -> float:
        """Give the MiB at the end: the median of the last 5 % of the time."""
        return self._median(1 - _WINDOW, 1)

    def slope(self) -> float:
        """Give the MiB an hour by which it grows, by least squares from 5 % of the time to the end."""
        points = self._between(SETTLED, 1)
        if len(points) < 2:
            return float("nan")
        return statistics.linear_regression(*zip(*points, strict=True)).slope * _HOUR

    def judged(self) -> bool:
        """Whether it went on for long enough to be judged: ten minutes."""
        return self.samples[-1][0] >= _JUDGED_FROM

    def flat(self) -> bool:
        """Whether the end is within 5 % of the beginning."""
        return self.late() <= self.early() * (1 + _MOST_GROWTH)

    def near(self, seconds: float) -> float:
        """Give the sample nearest to a time."""
        return min(self.samples, key=lambda sample: abs(sample[0] - seconds))[1]

    def _median(self, begin: float, end: float) -> float:
        points = self._between(begin, end)
        return statistics.median(value for _, value in points) if points else self.near(self.samples[-1][0] * begin)

    def _between(self, begin: float, end: float) -> list[tuple[float, float]]:
        whole = self.samples[-1][0]
        return [sample for sample in self.samples if begin * whole <= sample[0] <= end * whole]
