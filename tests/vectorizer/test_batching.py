"""The batcher alone: what goes together, what fails alone, what is never lost."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cl2cm_plugin.vectorizer.batching import Batcher, BusyError
from cl2cm_plugin.vectorizer.lanes import Lane


class Recorder:
    """Vectors [length of the text]; a closed gate holds the engine back."""

    def __init__(self):
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def encode(self, texts):
        self.started.set()
        assert self.gate.wait(10)
        self.batches.append(list(texts))
        if any("poison" in text for text in texts):
            raise ValueError("poisoned")
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def run(scenario, prepare=None, max_batch=4, max_length=math.inf, **settings):
    """Run a scenario(batcher, engine) with one text lane and one image lane over one engine."""

    async def main():
        engine = Recorder()
        lanes = {
            "text": Lane(engine.encode, str, length=len, max_batch=max_batch, max_length=max_length),
            "image": Lane(engine.encode, prepare or str, max_batch=max_batch),
        }
        defaults = {"max_queue": 100}
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(lanes, thread, **(defaults | settings))
            try:
                async with asyncio.timeout(10):
                    await scenario(batcher, engine)
            finally:
                engine.gate.set()
                await batcher.close()

    asyncio.run(main())


async def hold(batcher, engine):
    """Occupy the engine, so that what follows has to queue."""
    engine.gate.clear()
    engine.started.clear()
    task = asyncio.create_task(batcher.vector("text", "the one that occupies the engine"))
    await asyncio.to_thread(engine.started.wait, 5)
    return task


def start(batcher, texts, modality="text"):
    return [asyncio.create_task(batcher.vector(modality, text)) for text in texts]


async def settle(batcher):
    """Until what was asked for waits for the engine or is with it, or has had the time to."""
    await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0.002)
        jobs = batcher._in_flight.values()
        if all(job.with_engine or job.key in job.queue.jobs for job in jobs):
            break
    await asyncio.sleep(0.002)


def test_an_idle_engine_starts_at_once():
    async def scenario(batcher, engine):
        assert (await batcher.vector("text", "abc")).tolist() == [3]
        assert engine.batches == [["abc"]]

    run(scenario)


def test_what_waits_goes_together_up_to_the_limit_and_in_order():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        texts = [f"{i:0{i % 3 + 2}d}" for i in range(10)]
        tasks = start(batcher, texts)
        await settle(batcher)
        engine.gate.set()
        assert [vector.tolist() for vector in await asyncio.gather(*tasks)] == [[len(text)] for text in texts]
        assert sorted(map(len, engine.batches)) == [1, 2, 4, 4]
        await first

    run(scenario)


def test_texts_of_like_length_go_together_but_the_oldest_is_never_passed_over():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["x" * 9, "a", "b", "y" * 8, "c", "z" * 7, "d", "w" * 6])
        await settle(batcher)
        engine.gate.set()
        await asyncio.gather(first, *tasks)
        assert [sorted(map(len, batch)) for batch in engine.batches[1:]] == [[6, 7, 8, 9], [1, 1, 1, 1]]

    run(scenario)


def test_the_modality_that_waited_longest_comes_first_and_they_never_mix():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["i1"], "image") + start(batcher, ["t1", "t2"]) + start(batcher, ["i2"], "image")
        await settle(batcher)
        engine.gate.set()
        await asyncio.gather(first, *tasks)
        assert engine.batches[1:] == [["i1", "i2"], ["t1", "t2"]]

    run(scenario)


def test_a_bad_item_fails_alone_and_the_worker_lives_on():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["a", "poison", "bb"])
        await settle(batcher)
        engine.gate.set()
        a, poison, b = await asyncio.gather(*tasks, return_exceptions=True)
        assert (a.tolist(), b.tolist()) == ([1], [2])
        assert str(poison) == "poisoned"
        assert (await batcher.vector("text", "later")).tolist() == [5]
        await first

    run(scenario)


def test_an_engine_that_gives_too_few_vectors_mixes_nothing_up():
    async def scenario(batcher, engine):
        batcher._queues["text"].lane = Lane(lambda texts: np.ones((1, 1)) * len(texts[0]), str)
        vectors = await asyncio.gather(*start(batcher, ["a", "bb", "ccc"]))
        assert [vector.tolist() for vector in vectors] == [[1], [2], [3]]

    run(scenario)


def test_a_batch_costs_no_more_than_it_may_and_the_oldest_is_never_left():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["x" * 30, "a", "bb", "x" * 26, "ccc", "x" * 100])
        await settle(batcher)
        engine.gate.set()
        await asyncio.gather(first, *tasks)
        lengths = [sorted(map(len, batch)) for batch in engine.batches[1:]]
        assert lengths == [[26, 30], [1, 2, 3], [100]]

    run(scenario, max_batch=8, max_length=60)


def test_batches_are_told_with_their_waits():
    told = []

    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["a", "poison"])
        await settle(batcher)
        await asyncio.sleep(0.05)
        engine.gate.set()
        await asyncio.gather(first, *tasks, return_exceptions=True)
        assert [(batch.modality, len(batch.waits)) for batch in told] == [("text", 1), ("text", 1)]
        assert min(told[1].waits[0], told[0].seconds) >= 0.04

    run(scenario, on_batch=told.append)


def test_equal_items_in_flight_are_computed_once():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["same"] * 20 + ["other"])
        await settle(batcher)
        engine.gate.set()
        await asyncio.gather(first, *tasks)
        assert [sorted(batch) for batch in engine.batches[1:]] == [["other", "same"]]

    run(scenario)


def test_recent_vectors_are_remembered_per_modality_and_the_oldest_are_dropped():
    async def scenario(batcher, engine):
        for modality, text in [("text", "a"), ("text", "a"), ("image", "a"), ("text", "b"), ("text", "a")]:
            await batcher.vector(modality, text)
        assert engine.batches == [["a"], ["a"], ["b"], ["a"]]

    run(scenario, remembered=2)


def test_nothing_is_remembered_when_switched_off_and_vectors_cannot_be_changed():
    async def scenario(batcher, engine):
        vector = await batcher.vector("text", "a")
        await batcher.vector("text", "a")
        assert len(engine.batches) == 2
        with pytest.raises(ValueError, match="read-only"):
            vector[0] = 5

    run(scenario, remembered=0)


def test_a_full_queue_is_busy_at_once():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["a", "b"])
        await settle(batcher)
        with pytest.raises(BusyError):
            await batcher.vector("text", "c")
        engine.gate.set()
        await asyncio.gather(first, *tasks)
        await batcher.vector("text", "c")

    run(scenario, max_queue=2)


def test_what_nobody_waits_for_gives_its_place_back_and_is_never_computed():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        gone, shared, also_shared = start(batcher, ["gone", "shared", "shared"])
        await settle(batcher)
        gone.cancel()
        shared.cancel()
        await settle(batcher)
        tasks = start(batcher, ["new"])
        await settle(batcher)
        engine.gate.set()
        await asyncio.gather(first, also_shared, *tasks)
        assert [sorted(batch) for batch in engine.batches[1:]] == [["new", "shared"]]

    run(scenario, max_queue=2)


def test_cancelled_preparations_give_their_place_back():
    gate = threading.Event()

    def prepare(content):
        assert gate.wait(10)
        return content

    async def scenario(batcher, engine):
        for wait in (0, 3):  # before the preparation's first step, and in the middle of it
            tasks = start(batcher, ["a", "b"], "image")
            await asyncio.sleep(0)
            for _ in range(wait):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await settle(batcher)
        gate.set()
        await asyncio.gather(*start(batcher, ["c", "d"], "image"))

    run(scenario, prepare=prepare, max_queue=2)


def test_a_failed_preparation_fails_alone():
    async def scenario(batcher, engine):
        good, bad = await asyncio.gather(*start(batcher, ["5", "x"], "image"), return_exceptions=True)
        assert good.tolist() == [5]
        assert isinstance(bad, ValueError)
        assert (await batcher.vector("image", "7")).tolist() == [7]

    run(scenario, prepare=lambda content: "x" * int(content))


def test_a_failed_payload_is_freed_without_garbage_collection(caplog):
    caplog.set_level("CRITICAL")  # kept log records would hold the traceback, and that the payload
    alive: list[weakref.ref] = []

    class Payload:
        pass

    def prepare(_content):
        payload = Payload()
        alive.append(weakref.ref(payload))
        return payload

    async def scenario(batcher, engine):
        def encode(payloads):
            inputs = [{"image": payload} for payload in payloads]
            raise ValueError(len(inputs))

        batcher._queues["image"].lane = Lane(encode, prepare)
        gc.disable()
        try:
            for content in ("a", "b"):
                with pytest.raises(ValueError, match="1"):
                    await batcher.vector("image", content)
            await settle(batcher)
            assert [reference() for reference in alive] == [None, None]
        finally:
            gc.enable()

    run(scenario)


def test_closing_finishes_what_waits_and_takes_nothing_more():
    async def scenario(batcher, engine):
        first = await hold(batcher, engine)
        tasks = start(batcher, ["a", "b"])
        await settle(batcher)
        closing = asyncio.create_task(batcher.close())
        await settle(batcher)
        with pytest.raises(BusyError):
            await batcher.vector("text", "late")
        engine.gate.set()
        await closing
        assert all(task.done() for task in [first, *tasks])
        assert tasks[0].result().tolist() == [1]

    run(scenario)
