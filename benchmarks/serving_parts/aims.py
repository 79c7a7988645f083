"""What the service should reach, and whether it does."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from serving_parts.machine import EIGHT_BITS
from serving_parts.results import ENGINE
from serving_parts.services import OURS
from serving_parts.tables import CONSOLE, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving_parts.results import Results

TIMES_STOCK = {"texts": 10.0, "pictures": 6.0}
SHARE_OF_ENGINE = 0.9
TEXT_MS = 8.0
_MANY = 32


@dataclass(frozen=True)
class Aim:
    """An aim and what was measured.

    Attributes:
        name: What should be reached.
        measured: What was.
        met: Whether the median of the rounds reaches it.
    """

    name: str
    measured: str
    met: bool


def judged(results: Results) -> list[Aim]:
    """Compare with every aim whose number of clients was measured."""
    return [aim for kind in results.course.kinds for aim in _of_kind(results, kind)]


def _of_kind(results: Results, kind: str) -> Iterator[Aim]:
    many = [clients for clients in results.course.clients if clients >= _MANY]
    for clients in many:
        name = f"{kind}, {clients} clients: {TIMES_STOCK[kind]:g} times stock"
        yield _at_least(name, results.times_stock(kind, clients), TIMES_STOCK[kind])
    for clients in many:
        name = f"{kind}, {clients} clients: {SHARE_OF_ENGINE:.0%} of the engine's rate through HTTP"
        yield _at_least(name, results.times_rate(kind, clients, ENGINE), SHARE_OF_ENGINE)
    if 1 in results.course.clients:
        yield _at_least(f"{kind}, 1 client: never slower than stock", results.times_stock(kind, 1), 1.0)
    if 1 in results.course.clients and kind == "texts":
        values = [load.p50 for load in results.loads[kind, 1, OURS]]
        yield Aim(
            f"{kind}, 1 client: p50 at most {TEXT_MS:g} ms", spread(values), statistics.median(values) <= TEXT_MS
        )


def _at_least(name: str, values: list[float], wanted: float) -> Aim:
    return Aim(name, spread(values), statistics.median(values) >= wanted)


def show(aims: list[Aim], instructions: list[str]) -> None:
    """Print them."""
    able = EIGHT_BITS & set(instructions)
    table = Table("aim", "measured", "", title="Aims, for processors with VNNI or AMX")
    for aim in aims:
        table.add_row(aim.name, aim.measured, "met" if aim.met else "missed")
    table.caption = f"This processor has {', '.join(sorted(able))}." if able else "This processor has neither."
    CONSOLE.print(table)
