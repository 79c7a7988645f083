"""The tables: services side by side, against no service at all, and where the time goes."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from cl2cm_plugin.vectorizer import cores
from serving_parts.results import ENGINE, PLAIN
from serving_parts.rounds import SIZES
from serving_parts.services import OURS, STOCKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serving_parts.results import Results

# Wide enough for every table, also in a file.
CONSOLE = Console(width=122)
_ALONE, _TOGETHER = SIZES


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Give the median of the rounds, the smallest and the largest."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def side_by_side(results: Results, kind: str) -> None:
    """Throughput, latency and errors of each service at each number of clients."""
    columns = ("clients", "service", f"{kind}/s", "p50, ms", "p99, ms", "errors", "generator", "ours, times this")
    table = Table(*columns, title=f"Services, one of the {kind} in each request")
    for clients in results.course.clients:
        counts = results.faster_stock(kind, clients)
        for service in (OURS, *STOCKS):
            loads = results.loads[kind, clients, service]
            ratio = spread(results.times_stock(kind, clients)) if service == counts else ""
            table.add_row(
                str(clients) if service == OURS else "",
                service,
                spread(results.throughputs(kind, clients, service), ".1f"),
                *(f"{results.median(kind, clients, service, name):.1f}" for name in ("p50", "p99")),
                str(sum(load.errors for load in loads)),
                f"{results.median(kind, clients, service, 'generator') / cores.visible():.1%}",
                ratio,
                end_section=service == STOCKS[-1],
            )
    table.caption = (
        f"Medians of {results.course.rounds} rounds of {results.course.seconds:g} s, in brackets the smallest and the "
        "largest; ratios are taken within a round, to the faster stock service. Generator: its share of the cores' "
        "time."
    )
    CONSOLE.print(table)


def without_service(results: Results, kind: str) -> None:
    """What HTTP costs, and what a program without it would have."""
    columns = ("clients", "", f"{kind}/s", "ours through HTTP, times this")
    table = Table(*columns, title=f"The same weights in process, {kind} in batches of {_TOGETHER}")
    names = {PLAIN: "plain loop of sentence-transformers", ENGINE: "the service's engine, from texts and files"}
    for clients in results.course.clients:
        for way, name in names.items():
            table.add_row(
                str(clients) if way == PLAIN else "",
                name,
                spread(results.rates[kind, clients, way], ".1f"),
                spread(results.times_rate(kind, clients, way)),
                end_section=way == ENGINE,
            )
    table.caption = "Ours as if the cores' time that the load generator took had been ours too."
    CONSOLE.print(table)


def where_time_goes(results: Results, kind: str) -> None:
    """The steps of one object: how long a lone client waits for each, and what each takes of the cores' time."""
    # The batches of so many clients are like those in process: with more, texts of like length come together.
    few, many = (min(results.course.clients, key=lambda clients: abs(clients - size)) for size in SIZES)
    alone, together = results.costs[kind, _ALONE], results.costs[kind, _TOGETHER]
    latency = results.median(kind, few, OURS, "p50")
    rate = results.median(kind, many, OURS, "throughput")
    table = Table(
        "",
        "ms, alone",
        f"of p50, {few} client{'s' * (few > 1)}",
        f"cores' ms, batch of {_TOGETHER}",
        f"of all, {many} clients",
        title=f"Where the time goes: one of the {kind}",
    )
    whole = cores.visible() * 1e3 / rate
    generator = results.median(kind, many, OURS, "generator") * 1e3 / rate
    for name, cost in alone.items():
        table.add_row(name, *_share(cost.wall, latency), *_share(together[name].cpu, whole))
    work, busy = (sum(cost.wall for cost in alone.values()), sum(cost.cpu for cost in together.values()))
    server = [load.server for load in results.loads[kind, many, OURS] if load.server is not None]
    rest = statistics.median(server) * 1e3 / rate - busy if server else float("nan")
    table.add_row("HTTP, threads, waiting", *_share(latency - work, latency), *_share(rest, whole))
    table.add_row("load generator", "in the line above", "", *_share(generator, whole))
    table.add_row("idle, or other programs", "", "", *_share(whole - busy - rest - generator, whole), end_section=True)
    table.add_row("all", *_share(latency, latency), *_share(whole, whole))
    waited = results.median(kind, many, OURS, "p50")
    table.caption = (
        f"With {many} clients p50 is {waited:.1f} ms: {work:.1f} ms is an object's own work, {waited - work:.1f} ms "
        f"({(waited - work) / waited:.0%}) is the queue, in which it waits for others and with others."
    )
    CONSOLE.print(table)


def _share(value: float, whole: float) -> tuple[str, str]:
    return f"{value:.3f}", f"{value / whole:.1%}"
