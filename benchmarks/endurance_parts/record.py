"""What is noted while the clients are at work, minute by minute."""

from __future__ import annotations

import statistics
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from endurance_parts.mix import Request

MINUTE = 60.0
_MS = 1e3
_FAULTS_KEPT = 20


@dataclass
class Minute:
    """Requests answered in one minute.

    Attributes:
        answered: By kind.
        latencies: Of good requests, in ms.
        faults: Wrong answers, to good requests and to bad ones.
    """

    answered: Counter[str] = field(default_factory=Counter)
    latencies: array[float] = field(default_factory=lambda: array("d"))
    faults: int = 0


class Record:
    """Everything that was answered.

    Args:
        start: Of `time.perf_counter`.
    """

    def __init__(self, start: float) -> None:
        self.start = start
        self.minutes: list[Minute] = []
        self.faults: Counter[tuple[str, bool]] = Counter()
        self.first_faults: list[str] = []
        self.bad = 0

    def note(self, request: Request, began: float, now: float, fault: str | None) -> None:
        """Note an answer, or that there was none.

        Args:
            request: What was asked.
            began: When.
            now: When the answer was complete.
            fault: What is wrong with the answer.
        """
        place = int((now - self.start) / MINUTE)
        while len(self.minutes) <= place:
            self.minutes.append(Minute())
        minute = self.minutes[place]
        minute.answered[request.kind] += 1
        self.bad += not request.good
        if request.good:
            minute.latencies.append((now - began) * _MS)
        if fault is not None:
            minute.faults += 1
            self.faults[request.kind, request.good] += 1
            if len(self.first_faults) < _FAULTS_KEPT:
                self.first_faults.append(f"{(now - self.start) / MINUTE:.2f} min, {request.kind}: {fault}")

    def good_faults(self) -> int:
        """Count wrong answers to good requests."""
        return sum(count for (_, good), count in self.faults.items() if good)

    def bad_faults(self) -> int:
        """Count wrong answers to bad requests."""
        return sum(self.faults.values()) - self.good_faults()

    def answered(self) -> Counter[str]:
        """Count the answers by kind."""
        return sum((minute.answered for minute in self.minutes), Counter())

    def as_json(self) -> dict[str, Any]:
        """Give everything, for a file."""
        return {
            "answered": dict(self.answered()),
            "faults_good": self.good_faults(),
            "faults_bad": self.bad_faults(),
            "first_faults": self.first_faults,
            "latency": percentiles(self.minutes),
            "minutes": [
                {"answered": dict(minute.answered), "faults": minute.faults, **percentiles([minute])}
                for minute in self.minutes
            ],
        }


def percentiles(minutes: Iterable[Minute]) -> dict[str, float]:
    """Give median, 99th percentile and longest of the latencies of good requests, in ms."""
    latencies = [latency for minute in minutes for latency in minute.latencies]
    if len(latencies) < 2:
        return {"p50": float("nan"), "p99": float("nan"), "longest": float("nan")}
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "longest": max(latencies)}
