"""Vectors of texts and pictures with frozen backbones: what does not change is computed once, for all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.encoder.model_info import fingerprint
from trainer.corpus.image_features import image_features
from trainer.feature_cache import FeatureCache
from trainer.towers import FrozenText, TrainedText

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sentence_transformers import SentenceTransformer
    from torch import Tensor

_AT_ONCE = 256


class FrozenParts:
    """The parts of a model that no stage trains, with their results kept on disk.

    Args:
        model: The model in training, or a trained one.
        text_folder: The folder that the text backbone came from.
        image_folder: The folder that the image backbone came from.
        trained_layers: How many upper layers of the text backbone are trained.
    """

    def __init__(self, model: SentenceTransformer, text_folder: Path, image_folder: Path, trained_layers: int) -> None:
        cache = FeatureCache("text", f"{fingerprint(text_folder)}-{trained_layers}-{model.max_seq_length}")
        self._text = FrozenText(model, trained_layers, cache)
        self._image = two_tower.image_route(model)[0]
        self._image_folder = image_folder

    def text_states(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Compute or look up the token states of texts below the trained layers."""
        return self._text.states(texts)

    def image_features(self, files: Iterable[str]) -> dict[str, Tensor]:
        """Compute or look up the features of pictures by file, shape (d_image,) each."""
        different = list(dict.fromkeys(files))
        rows = image_features(different, self._image, self._image_folder)
        return dict(zip(different, torch.from_numpy(rows), strict=True))


@torch.inference_mode()
def text_vectors(text: TrainedText, states: dict[str, Tensor]) -> dict[str, Tensor]:
    """Encode texts from their frozen states.

    Args:
        text: The trained part of the text tower; left in eval mode.
        states: Token states by text.

    Returns:
        A unit vector a text, shape (d,).
    """
    text.eval()
    ordered = sorted(states, key=lambda sentence: len(states[sentence]))
    vectors: dict[str, Tensor] = {}
    for start in range(0, len(ordered), _AT_ONCE):
        batch = ordered[start : start + _AT_ONCE]
        encoded = text([states[sentence] for sentence in batch]).sentences
        vectors.update(zip(batch, encoded.cpu().clone(), strict=True))
    return vectors


class Embedder:
    """Vectors of texts and pictures by a trained model, through the caches of its frozen parts.

    Args:
        model: The model.
        frozen: Its frozen parts.
        trained_layers: How many upper layers of the text backbone are trained.
    """

    def __init__(self, model: SentenceTransformer, frozen: FrozenParts, trained_layers: int) -> None:
        self._frozen = frozen
        self._text = TrainedText(model, trained_layers)
        self._projection = two_tower.image_route(model)[1].linear

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts: unit vectors, shape (n, d)."""
        vectors = text_vectors(self._text, self._frozen.text_states(texts))
        return np.stack([vectors[text].numpy() for text in texts])

    @torch.inference_mode()
    def pictures(self, files: Sequence[str]) -> np.ndarray:
        """Encode picture files: unit vectors, shape (n, d)."""
        features = self._frozen.image_features(files)
        projected = self._projection(torch.stack([features[file] for file in files]))
        return torch.nn.functional.normalize(projected, dim=-1).numpy()
