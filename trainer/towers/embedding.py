"""Vectors of texts and pictures in training: what is frozen is computed once, for all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.progress import track

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.encoder.model_info import fingerprint
from trainer.corpus.image_features import media_features
from trainer.corpus.pixels import Pixels
from trainer.digest import digest
from trainer.towers.feature_cache import FeatureCache
from trainer.towers.frozen_text import FrozenText, states_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    from trainer.recipe import Model
    from trainer.towers.image import TrainedImage
    from trainer.towers.trained_text import TrainedText

_TEXTS_AT_ONCE = 256
_SHOWN = 1024
_PICTURES_AT_ONCE = 32


class FrozenParts:
    """The parts of a model that no stage trains, with their results kept on disk.

    Args:
        model: The model in training, or a trained one.
        text_folder: The folder that the text backbone came from.
        image_folder: The folder that the image backbone came from.
        settings: The recipe's lines on the towers: how many layers are trained.
        in_bfloat16: Whether what the trained layers make of frozen states, which only training sees, is computed in
            bfloat16.

    Attributes:
        text_key: Names the frozen part of the text tower: where it is the same, so are its states.
        image_key: Names the image backbone in the same way.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        text_folder: Path,
        image_folder: Path,
        settings: Model,
        in_bfloat16: bool = False,
    ) -> None:
        layers = settings.trained_layers
        self._in_bfloat16 = in_bfloat16
        self.text_key = states_key(model, text_folder, layers)
        self._text = FrozenText(model, layers, FeatureCache("text", self.text_key))
        self._image = two_tower.image_route(model)[0]
        self._image_folder, self.image_key = image_folder, fingerprint(image_folder)
        self._image_is_frozen = not settings.trained_image_layers

    def text_states(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Compute or look up the token states of texts below the trained layers."""
        return self._text.states(texts)

    def image_inputs(
        self, files: Iterable[str], augmented: bool = False, *, regions: bool = False
    ) -> Callable[[str], Tensor]:
        """Prepare what the trained part of the image tower takes.

        Args:
            files: Pictures and clips; opened here if the backbone is frozen, else when they are asked for.
            augmented: Whether pixels are cropped and mirrored at random; cached features never are.
            regions: Whether features of a frozen backbone are those of regions.

        Returns:
            A function from file to features, shape (frames, d_image) or (frames, regions, d_image), or to pixels,
            shape (frames, 3, height, width).
        """
        if self._image_is_frozen:
            return self.image_features(files, regions=regions).__getitem__
        return Pixels(self._image, augmented)

    def image_features(self, files: Iterable[str], *, regions: bool = False) -> dict[str, Tensor]:
        """Compute or look up features of pictures and clips by file, as the untrained backbone gives them.

        Args:
            files: Pictures and clips.
            regions: Whether of regions.

        Returns:
            Features by file, shape (frames, d_image) or (frames, regions, d_image).
        """
        different = list(dict.fromkeys(files))
        rows = media_features(different, self._image, self._image_folder, regions=regions)
        return dict(zip(different, map(torch.from_numpy, rows), strict=True))

    @torch.inference_mode()
    def pooled_states(self, text: TrainedText, states: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute or look up what the projection of the text tower takes, for as long as the layers stay as they are.

        Args:
            text: The trained part of the text tower; left in eval mode.
            states: Frozen states by text.

        Returns:
            Mean of the tokens' last states by text, shape (1, hidden size): the states of a tower of which the
            projection alone is trained.
        """

        def means(batch: list[Tensor]) -> list[np.ndarray]:
            return list(text.pooled(batch).float().cpu().numpy()[:, None])

        return self._computed_once("pooled", text, states, means)

    @torch.inference_mode()
    def last_states(self, text: TrainedText, states: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute or look up the tokens' last states, for as long as the layers stay as they are.

        Args:
            text: The trained part of the text tower; left in eval mode.
            states: Frozen states by text.

        Returns:
            Last states by text without padding, shape (tokens, hidden size), half precision.
        """

        def tokens(batch: list[Tensor]) -> list[np.ndarray]:
            hidden, mask = text.last_states(batch)
            return [row[kept].half().cpu().numpy() for row, kept in zip(hidden, mask, strict=True)]

        return self._computed_once("last", text, states, tokens)

    def _computed_once(
        self,
        kind: str,
        text: TrainedText,
        states: dict[str, Tensor],
        compute: Callable[[list[Tensor]], list[np.ndarray]],
    ) -> dict[str, Tensor]:
        text.eval()
        precision = ["bfloat16"] if self._in_bfloat16 else []
        cache = FeatureCache(kind, digest([self.text_key, text.layers_hash(), *precision]))
        keys = {sentence: digest([sentence]) for sentence in states}
        with cache.filling(keys.values()):
            missing = sorted(
                (s for s, key in keys.items() if key not in cache.rows), key=lambda s: (len(states[s]), s)
            )
            starts = range(0, len(missing), _TEXTS_AT_ONCE)
            title = f"{kind.capitalize()} states of {len(missing)} sentences"
            for start in track(starts, title, disable=len(missing) < _SHOWN):
                batch = missing[start : start + _TEXTS_AT_ONCE]
                with torch.autocast("cpu", torch.bfloat16, enabled=self._in_bfloat16):
                    rows = compute([states[sentence] for sentence in batch])
                cache.add({keys[sentence]: row.copy() for sentence, row in zip(batch, rows, strict=True)})
        return {sentence: torch.from_numpy(cache.rows[key]) for sentence, key in keys.items()}


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
    for start in range(0, len(ordered), _TEXTS_AT_ONCE):
        batch = ordered[start : start + _TEXTS_AT_ONCE]
        encoded = text([states[sentence] for sentence in batch])
        vectors.update(zip(batch, encoded.cpu().clone(), strict=True))
    return vectors


class Embedder:
    """Vectors of texts and pictures by a trained model, through the caches of its frozen parts.

    Args:
        text: The trained part of the text tower.
        image: The trained part of the image tower.
        frozen: The frozen parts of both.
    """

    def __init__(self, text: TrainedText, image: TrainedImage, frozen: FrozenParts) -> None:
        self._text, self._image, self._frozen = text, image, frozen

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts: unit vectors, shape (n, d)."""
        vectors = text_vectors(self._text, self._frozen.text_states(texts))
        return np.stack([vectors[text].numpy() for text in texts])

    @torch.inference_mode()
    def pictures(self, files: Sequence[str]) -> np.ndarray:
        """Encode files of pictures and clips: unit vectors, shape (n, d)."""
        self._image.eval()
        inputs = self._frozen.image_inputs(files)
        starts = range(0, len(files), _PICTURES_AT_ONCE)
        rows = [self._image([inputs(file) for file in files[start : start + _PICTURES_AT_ONCE]]) for start in starts]
        return torch.cat(rows).float().cpu().numpy()
