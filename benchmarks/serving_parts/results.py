"""What was measured, and the ratios that are read from it."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.vectorizer import cores
from serving_parts.services import OURS, STOCKS

if TYPE_CHECKING:
    from serving_parts.in_process import Cost
    from serving_parts.load import Load

# Ways to run the model in process.
PLAIN, ENGINE = "plain loop", "engine"


@dataclass(frozen=True)
class Course:
    """What is measured.

    Attributes:
        kinds: Of ``texts`` and ``pictures``.
        clients: Numbers of concurrent clients.
        seconds: How long one measurement takes.
        rounds: How often everything is measured.
    """

    kinds: list[str]
    clients: list[int]
    seconds: float
    rounds: int


@dataclass
class Results:
    """What was measured; lists are by round.

    Attributes:
        loads: By kind, number of clients, and service.
        rates: Objects a second in process, by kind, number of clients next to which it was measured, and way.
        costs: What the steps take, by kind, and number of requests in the batch.
    """

    course: Course
    loads: dict[tuple[str, int, str], list[Load]] = field(default_factory=dict)
    rates: dict[tuple[str, int, str], list[float]] = field(default_factory=dict)
    costs: dict[tuple[str, int], dict[str, Cost]] = field(default_factory=dict)

    def median(self, kind: str, clients: int, service: str, name: str) -> float:
        """Give the median of one of the figures of `Load` over the rounds."""
        return statistics.median(getattr(load, name) for load in self.loads[kind, clients, service])

    def throughputs(self, kind: str, clients: int, service: str) -> list[float]:
        """Give answers a second, by round."""
        return [load.throughput for load in self.loads[kind, clients, service]]

    def faster_stock(self, kind: str, clients: int) -> str:
        """Name the stock service that counts."""
        return max(STOCKS, key=lambda name: self.median(kind, clients, name, "throughput"))

    def times_stock(self, kind: str, clients: int) -> list[float]:
        """Say how many times the faster stock service ours is, by round."""
        stock = self.throughputs(kind, clients, self.faster_stock(kind, clients))
        return quotients(self.throughputs(kind, clients, OURS), stock)

    def undisturbed(self, kind: str, clients: int) -> list[float]:
        """Give our answers a second as if the cores' time that the generator took had been ours too, by round."""
        return [load.throughput / (1 - load.generator / cores.visible()) for load in self.loads[kind, clients, OURS]]

    def times_rate(self, kind: str, clients: int, way: str) -> list[float]:
        """Say how many times a rate in process ours through HTTP is, the generator's time subtracted, by round."""
        return quotients(self.undisturbed(kind, clients), self.rates[kind, clients, way])

    def as_json(self) -> dict[str, Any]:
        """Give everything, for a file."""
        return {
            "course": asdict(self.course),
            "loads": [
                {"kind": kind, "clients": clients, "service": service, "round": number, **asdict(load)}
                for (kind, clients, service), loads in self.loads.items()
                for number, load in enumerate(loads)
            ],
            "in_process": [
                {"kind": kind, "clients": clients, "way": way, "rates": rates}
                for (kind, clients, way), rates in self.rates.items()
            ],
            "costs": [
                {"kind": kind, "batch": batch, "steps": {name: asdict(cost) for name, cost in steps.items()}}
                for (kind, batch), steps in self.costs.items()
            ],
        }


def quotients(values: list[float], base: list[float]) -> list[float]:
    """Divide round by round, so that what slows a whole round cancels out."""
    return [value / other if other else float("nan") for value, other in zip(values, base, strict=True)]
