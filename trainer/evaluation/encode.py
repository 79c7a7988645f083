"""Vectors of files and texts by any sentence-transformers model that takes both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cl2cm_plugin.encoder.video import pool_frames
from trainer.corpus.media import frame_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image
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
        A function from files of pictures or clips, and one from texts, to unit vectors of shape (n, d).
    """

    def pictures(opened: list[Image.Image]) -> np.ndarray:
        return np.asarray(model.encode(opened, normalize_embeddings=True, show_progress_bar=False))

    def media(files: list[str]) -> np.ndarray:
        title = f"Encoding {len(files)} files"
        vectors: dict[str, np.ndarray] = {}
        for rows in frame_rows(list(dict.fromkeys(files)), pictures, title, _PICTURES_AT_ONCE):
            vectors.update({file: pool_frames(of_file) for file, of_file in rows.items()})
        return np.stack([vectors[file] for file in files])

    def texts(sentences: list[str]) -> np.ndarray:
        # As dictionaries: a plain string that names a picture file would be opened.
        inputs = [{"text": sentence} for sentence in sentences]
        return np.asarray(
            model.encode(inputs, normalize_embeddings=True, batch_size=_TEXTS_AT_ONCE, show_progress_bar=False)
        )

    return media, texts
