"""Rows to vectors: what each of Ray's actors does. Nothing here knows of Ray."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cl2cm_plugin.encoder.video import pool_frames
from cl2cm_plugin.vectorizer.engines import EngineError, checked
from tuning.embedding import media, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from cl2cm_plugin.vectorizer.engines.opening import Opening
    from tuning.embedding.rows import Row
    from tuning.embedding.source import Source

_TEXTS_AT_ONCE = 32


@dataclass(frozen=True)
class Work:
    """What is done with rows.

    Attributes:
        source: Where they come from.
        opening: How the engine is opened.
        dimensions: Length of a vector.
        caption_vectors: Encode the captions of media as well.
        frames: How many frames stand for a clip.
        pictures_at_once: How many pictures the model sees at once.
        threads: Threads that read and decode media while the model computes.
    """

    source: Source
    opening: Opening
    dimensions: int
    caption_vectors: bool = False
    frames: int = 8
    pictures_at_once: int = 8
    threads: int = 2


class Embedder:
    """Turns rows into vectors; a bad row gets a reason instead, and the others theirs.

    Args:
        work: What to do.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._engine = work.opening.open()
        self._threads = ThreadPoolExecutor(work.threads)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Embed rows.

        Args:
            table: Columns as the source names them.

        Returns:
            Columns as `tuning.embedding.rows.to_table` names them, row by row.
        """
        source = self._work.source
        found = rows.from_table(table, source.columns)
        with_media = [row for row in found if row.has_medium]
        at_once = self._work.pictures_at_once
        self._embed_media([row for row in with_media if not media.is_clip(row)], at_once)
        self._embed_media([row for row in with_media if media.is_clip(row)], max(1, at_once // self._work.frames))
        self._embed_texts([row for row in found if not row.has_medium])
        if self._work.caption_vectors:
            self._embed_captions([row for row in with_media if row.error is None])
        return rows.to_table(found, table[source.key], source.key, self._work.dimensions)

    def _embed_media(self, found: Iterable[Row], at_once: int) -> None:
        ready = (row for row in self._read_ahead(found, 2 * at_once) if row.error is None)
        while batch := list(islice(ready, at_once)):
            for row, vector in zip(batch, self._encoded(batch, self._media_vectors), strict=True):
                row.vector, row.prepared = vector, []

    def _embed_texts(self, found: Iterable[Row]) -> None:
        """Rows of which the text is all there is."""
        texts = []
        for row in found:
            if row.caption is None:
                row.error = "there is neither a medium nor a text"
            else:
                texts.append(row)
        for batch in self._by_length(texts):
            for row, vector in zip(batch, self._encoded(batch, self._text_vectors), strict=True):
                row.vector = vector

    def _embed_captions(self, found: Iterable[Row]) -> None:
        for batch in self._by_length([row for row in found if row.caption is not None]):
            vectors = self._encoded(batch, self._text_vectors)
            for row, vector in zip(batch, vectors, strict=True):
                # A caption that the model cannot encode must not cost the picture its vector.
                row.caption_vector, row.error = vector, None

    def _read_ahead(self, found: Iterable[Row], ahead: int) -> Iterator[Row]:
        """Read and prepare media in threads, and give them in order; so many at most wait for the engine."""
        waiting: deque[tuple[Row, Future[None]]] = deque()
        for row in found:
            waiting.append((row, self._threads.submit(self._prepare, row)))
            if len(waiting) > ahead:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())

    def _prepare(self, row: Row) -> None:
        try:
            pictures = media.read(row, self._work.source.folder, self._work.frames)
            row.prepared = [self._engine.prepare_image(picture) for picture in pictures]
        except media.UnusableMedium as error:
            row.error = str(error)

    def _by_length(self, found: Sequence[Row]) -> Iterator[list[Row]]:
        """Prepare texts, and put those of like length together, so that little of a batch is padding."""
        for row in found:
            assert row.caption is not None
            row.prepared = [self._engine.prepare_text(row.caption)]
        ordered = sorted(found, key=lambda row: len(row.prepared[0]))
        for start in range(0, len(ordered), _TEXTS_AT_ONCE):
            yield ordered[start : start + _TEXTS_AT_ONCE]

    def _encoded(self, batch: list[Row], encode: Callable[[list[Row]], np.ndarray]) -> Sequence[np.ndarray | None]:
        """Encode a batch, or where that fails each of its rows alone: the bad ones get a reason and no vector."""
        try:
            return list(encode(batch))
        except Exception as error:  # noqa: BLE001 - a model raises whatever it stumbles over
            if len(batch) == 1:
                batch[0].error = self._reason(error)
                return [None]
            return [self._encoded([row], encode)[0] for row in batch]

    def _media_vectors(self, batch: list[Row]) -> np.ndarray:
        vectors = self._engine.encode_images([picture for row in batch for picture in row.prepared])
        ends = np.cumsum([len(row.prepared) for row in batch])[:-1]
        parts = np.split(vectors, ends)
        return checked(np.stack([part[0] if len(part) == 1 else pool_frames(part) for part in parts]))

    def _text_vectors(self, batch: list[Row]) -> np.ndarray:
        return self._engine.encode_texts([row.prepared[0] for row in batch])

    def _reason(self, error: Exception) -> str:
        if isinstance(error, EngineError):
            return str(error)
        # A device that is lost must end the run: no row is to blame. This raises then.
        self._engine.encode_images([self._engine.prepare_image(Image.new("RGB", (64, 64), "white"))])
        return f"the model failed on this input ({type(error).__name__})"


def _finished(row: Row, future: Future[Any]) -> Row:
    future.result()
    return row
