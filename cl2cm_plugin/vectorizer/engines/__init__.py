"""What computes vectors: an engine knows nothing of queues and nothing of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_UNIT_TOLERANCE = 1e-3


class EngineError(ValueError):
    """An engine cannot encode a batch; the message is one sentence for the caller, without internals."""


class Engine(Protocol):
    """Two towers that give vectors of one space. Called from one thread at a time.

    Any exception fails the batch; the batch is then tried again item by item.

    Attributes:
        name: What it is, for people: ``onnx-int8``.
    """

    name: str

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode texts.

        Args:
            texts: Any strings, also empty ones; never read as file names or addresses.

        Returns:
            Unit vectors in the order of the texts: float32 of shape (texts, dimensions).
        """

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Encode pictures.

        Args:
            images: Pictures in mode ``RGB``.

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
