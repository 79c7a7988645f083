"""What waits in one modality: how it is prepared, and which of it goes to the engine together."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

# With a backlog, this many batches are looked through for items of like length.
WINDOW = 8


def _same_length(_payload: Any) -> int:
    return 1


@dataclass(frozen=True)
class Lane:
    """How the items of one modality become vectors.

    Attributes:
        encode: Turns n payloads into an array of shape (n, dimensions), in order. Runs in the engine's thread.
        prepare: Turns an item's content into a payload, or raises; runs in the lane's threads before the item is
            queued, so that it overlaps with the engine.
        threads: How many of them there are.
        prepared_together: How many items a thread takes at once; where preparing is quick, going to and fro is not.
        length: What makes a payload expensive; items of like length go into one batch.
        max_batch: Most items in a batch.
        max_length: Most of what a batch may cost: its longest payload's length times its items; a longer payload goes
            alone.
    """

    encode: Callable[[list[Any]], np.ndarray]
    prepare: Callable[[str], Any]
    threads: int = 1
    prepared_together: int = 1
    length: Callable[[Any], int] = _same_length
    max_batch: int = 32
    max_length: float = math.inf

    def prepared(self, contents: list[str]) -> list[Any]:
        """Prepare contents: the payload of each, or the exception that it raised."""
        payloads: list[Any] = []
        for content in contents:
            try:
                payloads.append(self.prepare(content))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer to this item
                payloads.append(_bare(error))
        return payloads


@dataclass(eq=False)
class Job:
    """One distinct content that someone waits for.

    Attributes:
        key: Its content's key.
        number: Its place among the jobs of all modalities.
        queue: Where it waits.
        future: What those who wait for it wait for.
        payload: Its content until that is prepared, then what the engine takes; nothing once it is finished.
        queued: When it was prepared, in seconds of the monotonic clock.
        with_engine: Whether the engine has it already.
        waiters: How many wait for it.
    """

    key: bytes
    number: int
    queue: Queue
    future: asyncio.Future[np.ndarray]
    payload: Any = None
    queued: float = 0.0
    with_engine: bool = False
    waiters: int = 0

    def finish(self, outcome: np.ndarray | Exception) -> None:
        """Give those who wait a vector, or what went wrong."""
        self.payload = None
        if isinstance(outcome, Exception):
            self.future.set_exception(_bare(outcome))
            # Whoever waited may be gone, and an exception that nobody collects would be logged as a fault.
            self.future.exception()
        else:
            self.future.set_result(outcome)


@dataclass
class Queue:
    """What waits in one modality, in order of arrival: first to be prepared, then for the engine.

    Attributes:
        modality: Which.
        lane: How its items become vectors.
        unprepared: Jobs that wait to be prepared, by key.
        arrived: Set when there is one.
        jobs: Jobs that wait for the engine, by key.
    """

    modality: str
    lane: Lane
    unprepared: dict[bytes, Job] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: dict[bytes, Job] = field(default_factory=dict)

    def take_unprepared(self) -> list[Job]:
        """Take out the oldest jobs that are not prepared."""
        jobs = list(itertools.islice(self.unprepared.values(), self.lane.prepared_together))
        for job in jobs:
            del self.unprepared[job.key]
        return jobs

    def oldest(self) -> Job:
        """Return the job that came first of those that wait for the engine; there must be one."""
        return next(iter(self.jobs.values()))

    def take(self) -> list[Job]:
        """Take out the oldest job and those of like length, so that little of the batch is padding."""
        count = self.lane.max_batch
        window = list(itertools.islice(self.jobs.values(), WINDOW * count))
        ordered = sorted(window, key=self._length)
        place = ordered.index(window[0])
        start = max(0, min(place - count // 2, len(ordered) - count))
        batch = ordered[start : start + count]
        while len(batch) > 1 and len(batch) * self._length(batch[-1]) > self.lane.max_length:
            # The longest is left for later, unless it is the one that has waited longest.
            batch.pop(0 if batch[-1] is window[0] else -1)
        for job in batch:
            del self.jobs[job.key]
            job.with_engine = True
        return batch

    def forget(self, job: Job) -> None:
        """Take out a job that nobody waits for, wherever it waits."""
        self.unprepared.pop(job.key, None)
        self.jobs.pop(job.key, None)

    def _length(self, job: Job) -> int:
        return self.lane.length(job.payload)


def _bare(error: Exception) -> Exception:
    """Drop the tracebacks: their frames hold pictures, and with the job a circle that is freed late."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
