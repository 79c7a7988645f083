"""What computes vectors: an engine knows nothing of queues and nothing of HTTP."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
from PIL import Image

PreparedText: TypeAlias = str | list[int]
"""A text as an engine takes it: as it is, or its token ids."""
PreparedImage: TypeAlias = Image.Image | np.ndarray
"""A picture as an engine takes it: in mode ``RGB``, or its pixels as float32 of shape (3, height, width)."""

_UNIT_TOLERANCE = 1e-3


class EngineError(ValueError):
    """An engine cannot encode a batch; the message is one sentence for the caller, without internals."""


class Engine(Protocol):
    """Two towers that give vectors of one space.

    What prepares an item may be called from any thread, also while a batch is encoded; batches are encoded one at a
    time. Any exception of a batch fails it; it is then tried again item by item.

    Attributes:
        name: What it is, for people: ``onnx-int8``.
    """

    name: str

    def prepare_text(self, text: str) -> PreparedText:
        """Prepare a text.

        Args:
            text: Any string, also an empty one; never read as a file's name or address.

        Returns:
            What `encode_texts` takes; the longer, the more it costs.
        """

    def prepare_image(self, image: Image.Image) -> PreparedImage:
        """Prepare a picture.

        Args:
            image: A picture in mode ``RGB``.

        Returns:
            What `encode_images` takes.
        """

    def encode_texts(self, texts: list[Any]) -> np.ndarray:
        """Encode texts.

        Args:
            texts: What `prepare_text` gave.

        Returns:
            Unit vectors in the order of the texts: float32 of shape (texts, dimensions).
        """

    def encode_images(self, images: list[Any]) -> np.ndarray:
        """Encode pictures.

        Args:
            images: What `prepare_image` gave.

        Returns:
            Unit vectors in the order of the pictures: float32 of shape (pictures, dimensions).
        """


def checked(vectors: np.ndarray) -> np.ndarray:
    """Refuse vectors that a search could not use.

    Args:
        vectors: What a model gave, of shape (items, dimensions).

    Returns:
        The same vectors.

    Raises:
        EngineError: A number is not finite, or a vector is not of unit length.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.allclose(lengths, 1, atol=_UNIT_TOLERANCE):
        raise EngineError("the model gives no usable vector for this input (zero, or not finite)")
    return vectors
