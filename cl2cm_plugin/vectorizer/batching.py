"""Micro-batches across requests: what waits when the engine becomes free goes to it together."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.vectorizer.engines import EngineError
from cl2cm_plugin.vectorizer.lanes import Job, Lane, Queue
from cl2cm_plugin.vectorizer.remembered import RememberedVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

logger = logging.getLogger(__name__)


class BusyError(Exception):
    """The queue is full, or closed."""


@dataclass(frozen=True)
class Batch:
    """A batch that the engine computed.

    Attributes:
        modality: Its lane.
        waits: For each item the seconds that it waited, prepared, until the batch began; with several models behind
            one engine the batch may have waited for another's.
        seconds: What the batch took.
    """

    modality: str
    waits: list[float]
    seconds: float


class Batcher:
    """Collects items of concurrent requests into batches for one engine. Belongs to the running event loop.

    A batch starts as soon as the engine is free and takes what is there, so an idle engine never waits for more. Equal
    contents are computed once. If a batch fails, its items are tried one by one and only the bad ones fail.

    Args:
        lanes: What to do with each modality.
        engine_thread: Runs every batch; must have one worker, so that no two batches compete for the cores.
        max_queue: Most items that wait, over all modalities.
        remembered: How many vectors are remembered.
        on_batch: Told of every batch that was computed.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        engine_thread: Executor,
        *,
        max_queue: int,
        remembered: int = 0,
        on_batch: Callable[[Batch], None] = lambda _batch: None,
    ) -> None:
        self._queues = {modality: Queue(modality, lane) for modality, lane in lanes.items()}
        self._engine_thread = engine_thread
        self._max_queue = max_queue
        self._remembered = RememberedVectors(remembered)
        self._on_batch = on_batch
        self._in_flight: dict[bytes, Job] = {}
        self._with_engine = 0
        self._numbers = itertools.count()
        self._closed = False
        self._arrived = asyncio.Event()
        # Each lane has its own threads: a text does not wait for a picture that waits for room.
        self._threads = ThreadPoolExecutor(sum(lane.threads for lane in lanes.values()), thread_name_prefix="prepare")
        preparers = [self._prepare(queue) for queue in self._queues.values() for _ in range(queue.lane.threads)]
        self._workers = [asyncio.create_task(work) for work in (self._work(), *preparers)]

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

    def waiting(self) -> int:
        """Count the items that wait for the engine, or are being prepared for it."""
        return len(self._in_flight) - self._with_engine

    async def close(self) -> None:
        """Take nothing more, finish what waits, and stop."""
        self._closed = True
        if self._in_flight:
            await asyncio.wait([job.future for job in self._in_flight.values()])
        for worker in self._workers:
            worker.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _admit(self, key: bytes, queue: Queue, content: str) -> Job:
        if self._closed or self.waiting() >= self._max_queue:
            raise BusyError
        future = asyncio.get_running_loop().create_future()
        job = self._in_flight[key] = Job(key, next(self._numbers), queue, future, content)
        queue.unprepared[key] = job
        queue.arrived.set()
        return job

    async def _prepare(self, queue: Queue) -> None:
        """Prepare the items of a lane, for ever; a lane has as many such tasks as threads."""
        loop = asyncio.get_running_loop()
        while True:
            jobs = queue.take_unprepared()
            if not jobs:
                queue.arrived.clear()
                await queue.arrived.wait()
                continue
            payloads = await loop.run_in_executor(self._threads, queue.lane.prepared, [job.payload for job in jobs])
            for job, payload in zip(jobs, payloads, strict=True):
                if job.future.done():
                    # Nobody waits for it any more.
                    continue
                if isinstance(payload, Exception):
                    self._finish(job, payload)
                else:
                    self._enqueue(job, payload)
            # Nothing of them is kept until the next ones come.
            del jobs, job, payloads, payload

    def _enqueue(self, job: Job, payload: Any) -> None:
        job.payload = payload
        job.queued = time.monotonic()
        job.queue.jobs[job.key] = job
        self._arrived.set()

    def _abandon(self, job: Job) -> None:
        """Forget a job that nobody waits for; one that the engine has already is left to be remembered."""
        if job.with_engine:
            return
        job.queue.forget(job)
        del self._in_flight[job.key]
        job.payload = None
        job.future.cancel()

    async def _work(self) -> None:
        while True:
            waiting = [queue for queue in self._queues.values() if queue.jobs]
            if waiting:
                queue = min(waiting, key=lambda queue: queue.oldest().number)
                jobs = queue.take()
                self._with_engine += len(jobs)
                await self._run(queue, jobs)
                del jobs
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _run(self, queue: Queue, jobs: list[Job]) -> None:
        payloads = [job.payload for job in jobs]
        start = time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            vectors = await loop.run_in_executor(self._engine_thread, queue.lane.encode, payloads)
            if len(vectors) != len(jobs):
                raise RuntimeError(f"the engine gave {len(vectors)} vectors for {len(jobs)} items")
        except Exception as error:
            if len(jobs) == 1:
                # What the engine refuses is the item's fault, and told to whoever sent it.
                if not isinstance(error, EngineError):
                    logger.warning("the engine failed on one item", exc_info=True)
                self._finish(jobs[0], error)
                return
            for job in jobs:
                await self._run(queue, [job])
            return
        waits = [start - job.queued for job in jobs]
        self._on_batch(Batch(queue.modality, waits, time.monotonic() - start))
        for job, vector in zip(jobs, vectors, strict=True):
            # A copy, since a row would keep its whole batch in memory for as long as it is remembered.
            own = vector.copy()
            own.setflags(write=False)
            self._remembered.keep(job.key, own)
            self._finish(job, own)

    def _finish(self, job: Job, outcome: np.ndarray | Exception) -> None:
        del self._in_flight[job.key]
        self._with_engine -= job.with_engine
        job.finish(outcome)


def _key(modality: str, content: str) -> bytes:
    digest = hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=24).digest()
    return modality.encode() + b":" + digest
