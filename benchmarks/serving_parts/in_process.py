"""The same weights without HTTP, in batches of 32: a plain loop, the service's engine, and its single steps."""

from __future__ import annotations

import base64
import io
import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from PIL import Image

from cl2cm_plugin.vectorizer import cores
from serving_parts.engine import BareEngine
from serving_parts.samples import ANSWER_KEYS, REQUEST_KEYS, body, endless
from trainer.console import quiet_libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH = 32
_MS = 1e3
_LEAST_PASSES = 3


@dataclass(frozen=True)
class Cost:
    """What one step takes for one object, in ms: by the clock, and of the cores' time."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Weights:
    """The same weights twice.

    Attributes:
        model: A model folder.
        exported: The folder that `cl2cm export` wrote of it.
        engine: How the service calls its engine.
    """

    model: str
    exported: str
    engine: str


class InProcess:
    """Both ways to run the model in this process.

    Args:
        weights: The model.
    """

    def __init__(self, weights: Weights) -> None:
        # Only the process that measures needs torch.
        from sentence_transformers import SentenceTransformer

        quiet_libraries()
        self._model = SentenceTransformer(weights.model, device="cpu", local_files_only=True)
        self._engine = BareEngine(weights.exported, weights.engine)
        self._items = {kind: endless(kind) for kind in REQUEST_KEYS}
        self._threads = ThreadPoolExecutor(cores.visible())

    def plain_rate(self, kind: str, seconds: float) -> float:
        """Objects a second of a plain sentence-transformers loop, from texts or from the bytes of picture files."""

        def one() -> None:
            batch = self._batch(kind, BATCH)
            if kind == "pictures":
                batch = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in batch]
            self._model.encode(batch, batch_size=BATCH, show_progress_bar=False)

        return _rate(one, seconds)

    def engine_rate(self, kind: str, seconds: float) -> float:
        """Objects a second of the engine; what comes before it is done for the next batch meanwhile, on all cores."""

        def prepared() -> Iterator[Any]:
            return self._threads.map(lambda item: self._engine.ready(kind, item), self._batch(kind, BATCH))

        following = [prepared()]

        def one() -> None:
            batch = list(following.pop())
            following.append(prepared())
            self._engine.encode(kind, batch)

        return _rate(one, seconds)

    def costs(self, kind: str, batch: int, seconds: float) -> dict[str, Cost]:
        """Time the steps from a request's body to an answer's, one after the other, for a batch of requests."""
        steps, read = self._steps(kind), {}
        noted: dict[str, list[Cost]] = {name: [] for name in steps}
        start = time.perf_counter()
        for number in itertools.count():
            values: list[Any] = [_body(kind, item) for item in self._batch(kind, batch)]
            for name, step in steps.items():
                wall, cpu = time.perf_counter(), time.process_time()
                values = step(values)
                read[name] = Cost(
                    (time.perf_counter() - wall) * _MS / batch, (time.process_time() - cpu) * _MS / batch
                )
            if number:
                for name, cost in read.items():
                    noted[name].append(cost)
            if number >= _LEAST_PASSES and time.perf_counter() - start > seconds:
                break
        return {
            name: Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))
            for name, costs in noted.items()
        }

    def _steps(self, kind: str) -> dict[str, Callable[[list[Any]], Any]]:
        engine, asked, answered = self._engine, REQUEST_KEYS[kind], ANSWER_KEYS[kind]
        steps: dict[str, Callable[[list[Any]], Any]] = {
            "JSON, reading": lambda values: [orjson.loads(value)[asked][0] for value in values]
        }
        if kind == "pictures":
            steps["base64"] = lambda values: [engine.decode_base64(value) for value in values]
            steps["decode"] = lambda values: [engine.decode(value) for value in values]
        prepare = "preprocess" if kind == "pictures" else "tokenise"
        steps[prepare] = lambda values: [engine.prepare(kind, value) for value in values]
        steps["engine"] = lambda values: engine.encode(kind, values)
        steps["JSON, writing"] = lambda rows: [
            orjson.dumps({answered: [row]}, option=orjson.OPT_SERIALIZE_NUMPY) for row in rows
        ]
        return steps

    def _batch(self, kind: str, size: int) -> list[Any]:
        return list(itertools.islice(self._items[kind], size))


# The processes that call these keep the model from one call to the next.
_loaded = cache(InProcess)


def plain_rate(weights: Weights, kind: str, seconds: float) -> float:
    """See `InProcess.plain_rate`."""
    return _loaded(weights).plain_rate(kind, seconds)


def engine_rate(weights: Weights, kind: str, seconds: float) -> float:
    """See `InProcess.engine_rate`."""
    return _loaded(weights).engine_rate(kind, seconds)


def costs(weights: Weights, kind: str, batch: int, seconds: float) -> dict[str, Cost]:
    """See `InProcess.costs`."""
    return _loaded(weights).costs(kind, batch, seconds)


def _body(kind: str, item: str | bytes) -> bytes:
    return body(kind, item if isinstance(item, str) else base64.b64encode(item).decode())


def _rate(one: Callable[[], None], seconds: float) -> float:
    """Run batches until the seconds are over, after one that warms up: objects a second."""
    one()
    start, passed, done = time.perf_counter(), 0.0, 0
    while passed < seconds:
        one()
        done += BATCH
        passed = time.perf_counter() - start
    return done / passed
