"""Vectors of files and texts by any sentence-transformers model that takes both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track

from trainer.corpus.pictures import open_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

_PICTURES_AT_ONCE = 32
_TEXTS_AT_ONCE = 128


def encoders(
    model: SentenceTransformer,
) -> tuple[Callable[[list[str]], np.ndarray], Callable[[list[str]], np.ndarray]]:
    """Return the two sides of a model.

    Args:
        model: A model that encodes PIL images and texts into one space.

    Returns:
        A function from picture files, and one from texts, to unit vectors of shape (n, d).
    """

    def pictures(files: list[str]) -> np.ndarray:
        rows = []
        for start in track(range(0, len(files), _PICTURES_AT_ONCE), f"Encoding {len(files)} pictures"):
            batch = [open_picture(file) for file in files[start : start + _PICTURES_AT_ONCE]]
            rows.append(model.encode(batch, normalize_embeddings=True, show_progress_bar=False))
        return np.concatenate(rows)

    def texts(sentences: list[str]) -> np.ndarray:
        # As dictionaries: a plain string that names a picture file would be opened.
        inputs = [{"text": sentence} for sentence in sentences]
        return np.asarray(
            model.encode(inputs, normalize_embeddings=True, batch_size=_TEXTS_AT_ONCE, show_progress_bar=False)
        )

    return pictures, texts
