"""The part of a text tower that is never trained: its states are computed once a sentence."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from rich.progress import Progress

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.encoder.model_info import fingerprint
from cl2cm_plugin.errors import UserError
from trainer.towers.layers import TOKENS_AT_ONCE, apply_layer, frozen_layers, layers_of, of_similar_length, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    from trainer.towers.feature_cache import FeatureCache
    from trainer.towers.layers import TrainedLayers

_SENTENCES_AT_ONCE = 1024
_SHOWN = 128


class FrozenText:
    """The embeddings and lower layers of a text backbone: never trained, so run once a sentence.

    Args:
        model: The model in training.
        trained_layers: How many of the upper layers belong to `TrainedText`; ``all`` leaves nothing frozen, embeddings
            included, and the states are then token ids.
        cache: Keeps the states on disk; without it they are computed anew in every run.

    Raises:
        UserError: The backbone is not of BERT's form (``embeddings`` and ``encoder.layer``), or has fewer layers.
    """

    def __init__(
        self, model: SentenceTransformer, trained_layers: TrainedLayers, cache: FeatureCache | None = None
    ) -> None:
        transformer, _, _ = two_tower.text_route(model)
        self._transformer = transformer
        self._tokenizer: Any = transformer.tokenizer
        self._backbone: Any = transformer.model
        self._frozen = frozen_layers(self._backbone, trained_layers)
        self._cache = cache
        self._check_form()

    def states(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Compute the token states below the first trained layer.

        Args:
            texts: Sentences; repeated ones are computed once.

        Returns:
            For each different sentence, in their order, its states without padding: shape (tokens, hidden size), half
            precision; or token ids, shape (tokens,), where nothing is frozen.
        """
        if self._frozen is None:
            return self._token_ids(list(dict.fromkeys(texts)))
        keys = {text: hashlib.sha256(text.encode()).hexdigest() for text in dict.fromkeys(texts)}
        if self._cache is None:
            computed: dict[str, np.ndarray] = {}
            self._fill(keys, computed, computed.update)
            return {text: torch.from_numpy(computed[key]) for text, key in keys.items()}
        with self._cache.filling(keys.values()):
            self._fill(keys, self._cache.rows, self._cache.add)
        return {text: torch.from_numpy(self._cache.rows[key]) for text, key in keys.items()}

    def _fill(
        self, keys: dict[str, str], rows: Mapping[str, np.ndarray], add: Callable[[dict[str, np.ndarray]], None]
    ) -> None:
        """Compute the states that are not among some rows yet."""
        missing = sorted((text for text, key in keys.items() if key not in rows), key=lambda text: (len(text), text))
        with Progress(disable=len(missing) < _SHOWN) as progress:
            task = progress.add_task(f"Frozen states of {len(missing)} sentences", total=len(missing))
            for start in range(0, len(missing), _SENTENCES_AT_ONCE):
                batch = missing[start : start + _SENTENCES_AT_ONCE]
                add({keys[text]: state for text, state in zip(batch, self._compute(batch), strict=True)})
                progress.advance(task, len(batch))

    @torch.inference_mode()
    def _check_form(self) -> None:
        """Make sure that running the layers one by one gives what the backbone itself gives."""
        features = self._transformer.preprocess([{"text": text} for text in ("a", "a longer sentence, of some words")])
        inputs = {key: features[key] for key in ("input_ids", "attention_mask")}
        mask = inputs["attention_mask"].bool()
        hidden = self._backbone.embeddings(input_ids=inputs["input_ids"])
        for layer in layers_of(self._backbone):
            hidden = apply_layer(layer, hidden, mask)
        expected = self._backbone(**inputs).last_hidden_state
        if not torch.allclose(hidden[mask], expected[mask], atol=1e-3):
            raise UserError(
                f"Text backbones of the kind {type(self._backbone).__name__} cannot be trained here: they do more "
                "than BERT and XLM-R between their layers."
            )

    @torch.inference_mode()
    def _compute(self, texts: list[str]) -> list[np.ndarray]:
        token_ids = list(self._token_ids(texts).values())
        states: list[Any] = [None] * len(texts)
        for chunk in of_similar_length([len(row) for row in token_ids], TOKENS_AT_ONCE):
            ids, mask = padded([token_ids[index] for index in chunk])
            hidden = self._backbone.embeddings(input_ids=ids)
            for layer in layers_of(self._backbone)[: self._frozen]:
                hidden = apply_layer(layer, hidden, mask)
            for index, row in zip(chunk, hidden.half(), strict=True):
                states[index] = row[: len(token_ids[index])].clone().numpy()
        return states

    def _token_ids(self, texts: list[str]) -> dict[str, Tensor]:
        limit = self._transformer.max_seq_length
        rows = self._tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        return {text: torch.tensor(row) for text, row in zip(texts, rows, strict=True)}


def states_key(model: SentenceTransformer, folder: Path, trained_layers: TrainedLayers) -> str:
    """Name the cache of `FrozenText`'s states: the backbone's folder, where it is cut, and how texts are."""
    return f"{fingerprint(folder)}-{trained_layers}-{model.max_seq_length}-half"
