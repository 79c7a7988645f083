"""The vectorizer without HTTP: loads the engine, sends items through the batcher, and knows whether it is ready."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image

from cl2cm_plugin import allocator
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.batching import Batcher, BusyError
from cl2cm_plugin.vectorizer.engines import EngineError
from cl2cm_plugin.vectorizer.failures import ModelFailedError, UnavailableError, UnusableItemError
from cl2cm_plugin.vectorizer.items import Item, Modality
from cl2cm_plugin.vectorizer.lanes import Lane
from cl2cm_plugin.vectorizer.media import MediaError, PictureReader, PixelBudget
from cl2cm_plugin.vectorizer.video import VideoReader, encode_videos

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    import numpy as np

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from cl2cm_plugin.vectorizer.engines import Engine, PreparedText
    from cl2cm_plugin.vectorizer.meters import Meters
    from cl2cm_plugin.vectorizer.settings import Settings

logger = logging.getLogger(__name__)

_LETTERS_PER_TOKEN = 4


class State(StrEnum):
    """Whether vectors can be had, and if not, why: the value completes "the vectorizer is ..."."""

    LOADING = "still loading its model, retry"
    READY = "ready"
    DRAINING = "shutting down, retry"
    FAILED = "without a model: its own output says why"


class Vectorizer:
    """Turns items of any requests into vectors.

    Args:
        load_engine: Makes the engine; called once, in the engine's thread, after `start`.
        info: What the model folder says of itself.
        settings: Limits and batching.
        engine_thread: Where the engine works; it has one worker.
        meters: What counts the batches.

    Attributes:
        info: As given.
        state: Whether vectors can be had.
        engine_name: What computes them; None as long as it is not loaded.
        failure: Why the engine could not be loaded, if so.
    """

    def __init__(
        self,
        load_engine: Callable[[], Engine],
        info: ModelInfo,
        settings: Settings,
        engine_thread: Executor,
        meters: Meters,
    ) -> None:
        self.info = info
        self.state = State.LOADING
        self.engine_name: str | None = None
        self.failure: Exception | None = None
        self._load_engine = load_engine
        self._settings = settings
        self._engine_thread = engine_thread
        self._meters = meters
        self._batcher: Batcher | None = None
        self._loading: asyncio.Task[None] | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to load the engine in the background; needs a running event loop.

        Args:
            on_failure: Called if it cannot be loaded.
        """
        self._loading = asyncio.create_task(self._load(on_failure))

    def drain(self) -> None:
        """Stop being ready; requests that still come are answered."""
        self.state = State.DRAINING

    async def close(self) -> None:
        """Answer what waits, then stop."""
        self.drain()
        if self._loading is not None:
            self._loading.cancel()
        if self._batcher is not None:
            await self._batcher.close()

    def waiting(self) -> int:
        """Count the items that wait for the engine, or are being prepared for it."""
        return 0 if self._batcher is None else self._batcher.waiting()

    async def vectors(self, items: Sequence[Item]) -> list[np.ndarray]:
        """Compute one vector for each item, in order.

        Args:
            items: Texts, images and videos in any order.

        Returns:
            Unit vectors of shape (dimensions,).

        Raises:
            RequestError: One item has no vector; the message names the first of them that failed.
        """
        if self._batcher is None:
            raise UnavailableError(f"the vectorizer is {self.state}")
        tasks = [asyncio.ensure_future(self._vector(self._batcher, item)) for item in items]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _vector(self, batcher: Batcher, item: Item) -> np.ndarray:
        try:
            return await batcher.vector(item.modality, item.content)
        except BusyError:
            raise UnavailableError("busy, retry") from None
        except (MediaError, EngineError) as error:
            raise UnusableItemError(f"{item.label}: {error}") from None
        except Exception:  # noqa: BLE001 - the batcher has logged it
            raise ModelFailedError(
                f"{item.label}: the model failed on this input; the vectorizer's log says why"
            ) from None

    async def _load(self, on_failure: Callable[[], None]) -> None:
        try:
            engine = await asyncio.get_running_loop().run_in_executor(self._engine_thread, self._warm_engine)
        except Exception as error:
            logger.debug("the engine could not be loaded", exc_info=True)
            self.failure = error
            self.state = State.FAILED
            on_failure()
            return
        self._batcher = self._make_batcher(engine)
        self.engine_name = engine.name
        self.state = State.READY

    def _warm_engine(self) -> Engine:
        """Load the engine and use both towers once, since the first use of each is slow and may fail."""
        engine = self._load_engine()
        picture = Image.new("RGB", (64, 64), "white")
        for modality, vectors in (
            (Modality.TEXT, engine.encode_texts([engine.prepare_text("warm-up")])),
            (Modality.IMAGE, engine.encode_images([engine.prepare_image(picture)])),
        ):
            if vectors.shape != (1, self.info.dimensions):
                raise UserError(
                    f"model {self.info.name} says that its vectors have {self.info.dimensions} dimensions, but its "
                    f"{modality} tower gives {vectors.shape[-1]}; install or train the model again."
                )
        # Of what loading took, a tenth is needed no more.
        allocator.give_back()
        return engine

    def _make_batcher(self, engine: Engine) -> Batcher:
        settings = self._settings
        budget = PixelBudget(settings.max_decoded_pixels)
        lanes: dict[str, Lane] = {
            Modality.TEXT: Lane(
                engine.encode_texts,
                engine.prepare_text,
                prepared_together=settings.max_batch,
                length=_tokens,
                max_batch=settings.max_batch,
                max_length=settings.max_batch_tokens,
            ),
            Modality.IMAGE: Lane(
                engine.encode_images,
                PictureReader(settings.max_pixels, budget, engine.prepare_image),
                threads=settings.decode_threads,
                max_batch=settings.max_batch_pictures,
            ),
            Modality.VIDEO: Lane(
                partial(encode_videos, engine.encode_images),
                VideoReader(settings, budget, engine.prepare_image),
                threads=settings.decode_threads,
                max_batch=max(1, settings.max_batch_pictures // settings.frames_per_video),
            ),
        }
        return Batcher(
            lanes,
            self._engine_thread,
            max_queue=settings.max_queue,
            remembered=settings.remembered_vectors,
            on_batch=partial(self._meters.batch, self.info.name),
        )


def _tokens(prepared: PreparedText) -> int:
    """Count a text's tokens, or guess them from its letters."""
    return len(prepared) if isinstance(prepared, list) else 1 + len(prepared) // _LETTERS_PER_TOKEN
