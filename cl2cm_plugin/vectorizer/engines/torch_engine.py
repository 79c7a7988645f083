"""A model folder, run by sentence-transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.vectorizer.cores import granted
from cl2cm_plugin.vectorizer.engines import checked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image


class TorchEngine:
    """Runs a model folder with sentence-transformers, on the accelerator if there is one.

    Args:
        folder: A model folder; nothing is ever looked up on the network and no code from it is run.
    """

    name = "torch"

    def __init__(self, folder: Path) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(min(torch.get_num_threads(), granted()))
        self._model = SentenceTransformer(str(folder), local_files_only=True).eval()
        # Convolutions are a third faster in this layout; it changes nothing else.
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def prepare_text(self, text: str) -> str:
        """Leave a text as it is: see `Engine.prepare_text`."""
        return text

    def prepare_image(self, image: Image.Image) -> Image.Image:
        """Leave a picture as it is: see `Engine.prepare_image`."""
        return image

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
