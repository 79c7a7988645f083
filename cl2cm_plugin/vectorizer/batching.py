"""Micro-batches across requests: what waits when the engine becomes free goes to it together."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.vectorizer.remembered import RememberedVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

logger = logging.getLogger(__name__)

# With a backlog, this many batches are looked through for items of like length.
WINDOW = 8


class BusyError(Exception):
    """The queue is full, or closed."""


def _no_length(_payload: Any) -> int:
    return 0


@dataclass(frozen=True)
class Lane:
    """How the items of one modality become vectors.

    Attributes:
        encode: Turns n payloads into an array of shape (n, dimensions), in order. Runs in the engine's thread.
        prepare: Turns an item's content into a payload, or raises; runs in a thread of its own before the item is
            queued, so that it overlaps with the engine. Without it the content is the payload.
        length: What makes a payload expensive; items of like length go into one batch.
        weight: How many of the engine's inputs a payload is, so that a batch of heavy ones holds fewer.
    """

    encode: Callable[[list[Any]], np.ndarray]
    prepare: Callable[[str], Any] | None = None
    length: Callable[[Any], int] = _no_length
    weight: int = 1


@dataclass(eq=False)
class _Job:
    """One distinct content that someone waits for."""

    key: bytes
    number: int
    queue: _Queue
    future: asyncio.Future[np.ndarray]
    payload: Any = None
    preparation: asyncio.Task[None] | None = None
    waiters: int = 0


@dataclass
class _Queue:
    """What waits for the engine in one modality, in order of arrival."""

    lane: Lane
    jobs: dict[bytes, _Job] = field(default_factory=dict)

    def oldest(self) -> _Job:
        return next(iter(self.jobs.values()))

    def take(self, count: int) -> list[_Job]:
        """Take out the oldest job and those of like length, so that little of the batch is padding."""
        window = list(itertools.islice(self.jobs.values(), WINDOW * count))
        ordered = sorted(window, key=lambda job: self.lane.length(job.payload))
        place = ordered.index(window[0])
        start = max(0, min(place - count // 2, len(ordered) - count))
        batch = ordered[start : start + count]
        for job in batch:
            del self.jobs[job.key]
        return batch


class Batcher:
    """Collects items of concurrent requests into batches for one engine. Belongs to the running event loop.

    A batch starts as soon as the engine is free and takes what is there, so an idle engine never waits for more. Equal
    contents are computed once. If a batch fails, its items are tried one by one and only the bad ones fail.

    Args:
        lanes: What to do with each modality.
        engine_thread: Runs every batch; must have one worker, so that no two batches compete for the cores.
        max_batch: Most items in a batch, by their lane's weight.
        max_queue: Most items that wait, over all modalities.
        prepare_threads: How many items are prepared at once.
        remembered: How many vectors are remembered.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        engine_thread: Executor,
        *,
        max_batch: int,
        max_queue: int,
        prepare_threads: int = 1,
        remembered: int = 0,
    ) -> None:
        self._queues = {modality: _Queue(lane) for modality, lane in lanes.items()}
        self._engine_thread = engine_thread
        self._prepare_threads = ThreadPoolExecutor(prepare_threads, thread_name_prefix="prepare")
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._remembered = RememberedVectors(remembered)
        self._in_flight: dict[bytes, _Job] = {}
        self._preparing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()
        self._closed = False
        self._arrived = asyncio.Event()
        self._worker = asyncio.create_task(self._work())

    async def vector(self, modality: str, content: str) -> np.ndarray:
        """Compute, or remember, the vector of one item.

        Cancelling the call frees the item's place, unless another call waits for the same content.

        Args:
            modality: One of the lanes.
            content: What the lane's ``prepare`` takes.

        Returns:
            A vector of shape (dimensions,), to be read only.

        Raises:
            BusyError: Too many items wait, or the batcher is closed.
            Exception: What the lane's ``prepare`` or ``encode`` raised for this item.
        """
        key = _key(modality, content)
        known = self._remembered.get(key)
        if known is not None:
            return known
        job = self._in_flight.get(key) or self._admit(key, self._queues[modality], content)
        job.waiters += 1
        try:
            return await asyncio.shield(job.future)
        finally:
            job.waiters -= 1
            if not job.waiters and not job.future.done():
                self._abandon(job)
            # The traceback of a failure holds this frame, and the job the failure: a circle that would keep `content`.
            del job

    async def close(self) -> None:
        """Take nothing more, finish what waits, and stop."""
        self._closed = True
        if self._in_flight:
            await asyncio.wait([job.future for job in self._in_flight.values()])
        self._worker.cancel()
        self._prepare_threads.shutdown(wait=False, cancel_futures=True)

    def _admit(self, key: bytes, queue: _Queue, content: str) -> _Job:
        waiting = len(self._preparing) + sum(len(one.jobs) for one in self._queues.values())
        if self._closed or waiting >= self._max_queue:
            raise BusyError
        future = asyncio.get_running_loop().create_future()
        job = self._in_flight[key] = _Job(key, next(self._numbers), queue, future)
        if queue.lane.prepare is None:
            self._enqueue(job, content)
        else:
            job.preparation = asyncio.create_task(self._prepare(job, queue.lane.prepare, content))
            self._preparing.add(job.preparation)
            job.preparation.add_done_callback(self._preparing.discard)
        return job

    async def _prepare(self, job: _Job, prepare: Callable[[str], Any], content: str) -> None:
        try:
            loop = asyncio.get_running_loop()
            payload = await loop.run_in_executor(self._prepare_threads, prepare, content)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer to this item
            self._finish(job, error)
        else:
            self._enqueue(job, payload)

    def _enqueue(self, job: _Job, payload: Any) -> None:
        job.payload = payload
        job.preparation = None
        job.queue.jobs[job.key] = job
        self._arrived.set()

    def _abandon(self, job: _Job) -> None:
        """Forget a job that nobody waits for; one that the engine has already is left to be remembered."""
        if job.preparation is not None:
            job.preparation.cancel()
        elif job.queue.jobs.pop(job.key, None) is None:
            return
        del self._in_flight[job.key]
        job.payload = None
        job.future.cancel()

    async def _work(self) -> None:
        while True:
            waiting = [queue for queue in self._queues.values() if queue.jobs]
            if waiting:
                queue = min(waiting, key=lambda queue: queue.oldest().number)
                await self._run(queue.lane, queue.take(max(1, self._max_batch // queue.lane.weight)))
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _run(self, lane: Lane, jobs: list[_Job]) -> None:
        payloads = [job.payload for job in jobs]
        try:
            vectors = await asyncio.get_running_loop().run_in_executor(self._engine_thread, lane.encode, payloads)
            if len(vectors) != len(jobs):
                raise RuntimeError(f"the engine gave {len(vectors)} vectors for {len(jobs)} items")
        except Exception as error:
            if len(jobs) == 1:
                logger.warning("the engine failed on one item", exc_info=True)
                self._finish(jobs[0], error)
                return
            for job in jobs:
                await self._run(lane, [job])
            return
        for job, vector in zip(jobs, vectors, strict=True):
            # A copy, since a row would keep its whole batch in memory for as long as it is remembered.
            own = vector.copy()
            own.setflags(write=False)
            self._remembered.keep(job.key, own)
            self._finish(job, own)

    def _finish(self, job: _Job, outcome: np.ndarray | Exception) -> None:
        del self._in_flight[job.key]
        job.payload = None
        if isinstance(outcome, Exception):
            job.future.set_exception(_bare(outcome))
            # Whoever waited may be gone, and an exception that nobody collects would be logged as a fault.
            job.future.exception()
        else:
            job.future.set_result(outcome)


def _key(modality: str, content: str) -> bytes:
    digest = hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=24).digest()
    return modality.encode() + b":" + digest


def _bare(error: Exception) -> Exception:
    """Drop the tracebacks: their frames hold pictures, and with the job a circle that is freed late."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
