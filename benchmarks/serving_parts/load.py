"""The load generator: concurrent clients in one thread, each with one object a request, and what they cost."""

from __future__ import annotations

import itertools
import selectors
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from serving_parts.connection import Connection
from serving_parts.machine import cpu_seconds
from serving_parts.samples import BODIES

if TYPE_CHECKING:
    from collections.abc import Iterator

_MS = 1e3
_bodies = cache(lambda kind: BODIES[kind]())
# Every service gets the objects of a kind in order, from one measurement to the next: none sees one twice in a row.
_numbers: defaultdict[tuple[int, str], Iterator[int]] = defaultdict(itertools.count)


@dataclass(frozen=True)
class Plan:
    """What is to be sent.

    Attributes:
        port: Of the service, on 127.0.0.1.
        process: Id of its process.
        kind: ``texts`` or ``pictures``.
        clients: How many requests are under way at any time.
        seconds: How long it is measured.
        warm_up: Seconds before that.
    """

    port: int
    process: int
    kind: str
    clients: int
    seconds: float
    warm_up: float


@dataclass(frozen=True)
class Load:
    """What came of it.

    Attributes:
        throughput: Answers a second with status 200.
        p50: Median of the latencies in ms, of the requests that were sent in the time measured.
        p99: Their 99th percentile.
        requests: How many these are.
        errors: Requests with another status, or without an answer, from the first to the last.
        generator: CPU seconds of the generator, each second.
        server: CPU seconds of the service, each second; none where the system does not tell.
    """

    throughput: float
    p50: float
    p99: float
    requests: int
    errors: int
    generator: float
    server: float | None


@dataclass
class _Run:
    """What is noted while the clients are at work; times are those of `time.perf_counter`."""

    opens: float
    ends: float
    answered: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    def note(self, began: float, fine: bool) -> float:
        now = time.perf_counter()
        if not fine:
            self.errors += 1
            return now
        self.answered.append(now)
        if self.opens <= began < self.ends:
            self.latencies.append((now - began) * _MS)
        return now

    def throughput(self) -> float:
        """Count from the last answer before the time measured to the last one in it.

        Answers come in bursts, one a batch: from burst to burst whole batches are counted over the time they took.
        """
        before = sum(answer < self.opens for answer in self.answered)
        until = sum(answer < self.ends for answer in self.answered)
        start = self.answered[before - 1] if before else self.opens
        return (until - before) / (self.answered[until - 1] - start) if until > before else 0.0


def measure(plan: Plan) -> Load:
    """Let the clients send, one request after the other, and wait for the last answer."""
    make, numbers = _bodies(plan.kind), _numbers[plan.port, plan.kind]
    selector = selectors.DefaultSelector()
    clients = [Connection(("127.0.0.1", plan.port), selector) for _ in range(plan.clients)]
    opens = time.perf_counter() + plan.warm_up
    run = _Run(opens, opens + plan.seconds)
    for client in clients:
        client.begin(make(next(numbers)))
    marks, working = _Marks(plan.process, [run.opens, run.ends]), len(clients)
    while working:
        marks.look()
        for key, events in selector.select(marks.timeout()):
            client = key.data
            try:
                fine = client.go_on(events)
            except OSError:
                fine = False
                client.reopen()
            if fine is None:
                continue
            if run.note(client.began, fine) < run.ends:
                client.begin(make(next(numbers)))
            else:
                client.close()
                working -= 1
    return _load(run, marks)


class _Marks:
    """Reads the CPU clocks at some times."""

    def __init__(self, process: int, times: list[float]) -> None:
        self._process, self._times = process, times
        self.read: list[tuple[float, float, float | None]] = []

    def look(self) -> None:
        if self._times and time.perf_counter() >= self._times[0]:
            del self._times[0]
            self.read.append((time.perf_counter(), time.process_time(), cpu_seconds(self._process)))

    def timeout(self) -> float | None:
        return max(0.0, self._times[0] - time.perf_counter()) if self._times else None


def _load(run: _Run, marks: _Marks) -> Load:
    # Where every answer came before a mark, there was nothing to wake up for.
    while len(marks.read) < 2:
        time.sleep(marks.timeout() or 0)
        marks.look()
    (begin, own_before, server_before), (end, own_after, server_after) = marks.read
    cuts = statistics.quantiles(run.latencies, n=100, method="inclusive") if len(run.latencies) > 1 else []
    return Load(
        throughput=run.throughput(),
        p50=statistics.median(run.latencies) if run.latencies else float("nan"),
        p99=cuts[-1] if cuts else float("nan"),
        requests=len(run.latencies),
        errors=run.errors,
        generator=(own_after - own_before) / (end - begin),
        server=None
        if server_before is None or server_after is None
        else (server_after - server_before) / (end - begin),
    )
