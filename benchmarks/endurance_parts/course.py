"""All clients at work, in one thread."""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cl2cm_plugin.vectorizer import cores
from endurance_parts.client import Client
from endurance_parts.memory import Memory, resident
from endurance_parts.record import Record

if TYPE_CHECKING:
    from rich.console import Console
    from serving_parts.services import Service

    from endurance_parts.mix import Mix

_SAMPLE_EVERY = 5.0
# Longer than the service lets any request wait.
_PATIENCE = 60.0
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())


class Course:
    """Clients that each send the next request as soon as they have the answer.

    Args:
        service: Which they ask.
        mix: What they ask.
        seconds: For how long.
        clients: How many requests are under way at any time.

    Attributes:
        memory: Of the service.
        record: What was answered.
        generator: The clients' share of the cores' time.
    """

    def __init__(self, service: Service, mix: Mix, seconds: float, clients: int) -> None:
        self._service, self._mix, self._seconds = service, mix, seconds
        self._selector = selectors.DefaultSelector()
        self._working = {Client(("127.0.0.1", service.port), self._selector) for _ in range(clients)}
        self.memory, self.generator = Memory(), 0.0
        self.record = Record(time.perf_counter())

    def run(self, console: Console) -> None:
        """Let them work, and wait for the last answer."""
        self.record, busy = Record(time.perf_counter()), time.process_time()
        for client in list(self._working):
            self._next(client)
        sampled = float("-inf")
        with Progress(*_COLUMNS, console=console) as progress:
            task = progress.add_task("", total=self._seconds)
            while self._working:
                now = time.perf_counter()
                if now - sampled >= _SAMPLE_EVERY:
                    sampled = now
                    self._look(now)
                    progress.update(task, completed=now - self.record.start, description=self._state())
                for key, events in self._selector.select(1.0):
                    self._go_on(key.data, events)
        self._look(time.perf_counter())
        self.generator = (time.process_time() - busy) / self.memory.samples[-1][0] / cores.visible()

    def _go_on(self, client: Client, events: int) -> None:
        try:
            if client.go_on(events) is None:
                return
            began, now = client.began, time.perf_counter()
            fault = self._mix.fault(client.request, *client.answer())
        except OSError as error:
            self._lost(client, str(error) or type(error).__name__)
            return
        self.record.note(client.request, began, now, fault)
        self._next(client)

    def _next(self, client: Client) -> None:
        if time.perf_counter() - self.record.start >= self._seconds:
            client.close()
            self._working.discard(client)
            return
        try:
            client.ask(self._mix.draw())
        except OSError as error:
            self._lost(client, str(error) or type(error).__name__)

    def _lost(self, client: Client, reason: str) -> None:
        """Note a request that got no answer, and go on with a new connection."""
        self.record.note(client.request, client.began, time.perf_counter(), f"no answer: {reason}")
        client.reopen()
        self._next(client)

    def _look(self, now: float) -> None:
        self.memory.samples.append((now - self.record.start, resident(self._service.process)))
        for client in [client for client in self._working if client.waited() > _PATIENCE]:
            self._lost(client, f"none within {_PATIENCE:g} s")

    def _state(self) -> str:
        answered = sum(self.record.answered().values())
        wrong = self.record.good_faults() + self.record.bad_faults()
        return f"{answered:,} answered, {wrong:,} wrongly, {self.memory.samples[-1][1]:.0f} MiB"
