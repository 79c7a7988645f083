"""The measurements, round by round."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rich.progress import Progress

from serving_parts import in_process
from serving_parts.load import Load, Plan, measure
from serving_parts.results import ENGINE, PLAIN, Course, Results
from serving_parts.services import OURS, STOCK, STOCK_SET

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from serving_parts.in_process import Weights
    from serving_parts.services import Service

# Batches of which the steps are timed.
SIZES = (1, in_process.BATCH)
_WAYS = {PLAIN: in_process.plain_rate, ENGINE: in_process.engine_rate}
# Ours stands next to everything that it is compared with.
_TURNS = (STOCK, PLAIN, OURS, ENGINE, STOCK_SET)


def run(
    course: Course,
    services: dict[str, Service],
    weights: Weights,
    generator: ProcessPoolExecutor,
    beside: ProcessPoolExecutor,
) -> Results:
    """Measure everything; at any time one service, or one way in process, works and the others are idle.

    Args:
        course: What.
        services: Those that run.
        weights: The model that they serve.
        generator: The process of the load generator.
        beside: The process in which the model runs without a service.

    Returns:
        The figures.
    """
    results = Results(course)
    warm_up = min(1.0, course.seconds / 4)

    def load(kind: str, clients: int, name: str, seconds: float = course.seconds) -> Load:
        service = services[name]
        plan = Plan(service.port, service.process, kind, clients, seconds, warm_up)
        return generator.submit(measure, plan).result()

    with Progress(transient=True, auto_refresh=False) as progress:
        contests = [*itertools.product(range(course.rounds), course.kinds, course.clients)]
        task = progress.add_task("measuring", total=len(contests) * len(_TURNS) + len(course.kinds) * len(SIZES))
        # Whatever is set up for a batch when the first of its size comes.
        for kind, name in itertools.product(course.kinds, services):
            load(kind, min(in_process.BATCH, max(course.clients)), name, warm_up)
        for number, kind, clients in contests:
            for name in _TURNS[:: -1 if number % 2 else 1]:
                if name in _WAYS:
                    rate = beside.submit(_WAYS[name], weights, kind, course.seconds).result()
                    results.rates.setdefault((kind, clients, name), []).append(rate)
                else:
                    results.loads.setdefault((kind, clients, name), []).append(load(kind, clients, name))
                progress.update(task, advance=1, refresh=True)
        for kind in course.kinds:
            for size in SIZES:
                costs = beside.submit(in_process.costs, weights, kind, size, course.seconds)
                results.costs[kind, size] = costs.result()
                progress.update(task, advance=1, refresh=True)
    return results
