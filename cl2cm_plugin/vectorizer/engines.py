"""What computes vectors: an engine knows nothing of queues and nothing of HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

_UNIT_TOLERANCE = 1e-3
_NO_QUOTA = 1 << 16


class EngineError(ValueError):
    """An engine cannot encode a batch; the message is one sentence for the caller, without internals."""


class Engine(Protocol):
    """Two towers that give vectors of one space. Called from one thread at a time.

    Any exception fails the batch; the batch is then tried again item by item.
    """

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


class TorchEngine:
    """Runs a model folder with sentence-transformers, on the accelerator if there is one.

    Args:
        folder: A model folder; nothing is ever looked up on the network and no code from it is run.
    """

    name = "torch"

    def __init__(self, folder: Path) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        _limit_threads()
        self._model = SentenceTransformer(str(folder), local_files_only=True).eval()
        # Convolutions are a third faster in this layout; it changes nothing else.
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode texts: see `Engine.encode_texts`."""
        # A plain string that names a picture file or an address would be opened by sentence-transformers.
        return self._encode([{"text": text} for text in texts])

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Encode pictures: see `Engine.encode_images`."""
        return self._encode([{"image": image} for image in images])

    def _encode(self, inputs: Sequence[dict[str, Any]]) -> np.ndarray:
        vectors = self._model.encode(
            inputs, batch_size=len(inputs), show_progress_bar=False, normalize_embeddings=True, convert_to_numpy=True
        )
        return checked(np.asarray(vectors, dtype=np.float32))


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


def _limit_threads() -> None:
    """Give torch no more threads than the process has cores: in a container it counts those of the whole machine."""
    import torch

    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0)), _quota())))


def _quota() -> int:
    """Return the cores that the container may use (cgroup 2)."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return -(-int(limit) // int(period))
    except (OSError, ValueError):
        return _NO_QUOTA
