"""The text tower as training sees it: a frozen part whose states are computed once, and the part that is trained.

The two parts share the modules of the SentenceTransformer that is being trained, so there is nothing to copy back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from sentence_transformers import SentenceTransformer

    from trainer.feature_cache import FeatureCache

_BATCH = 128


@dataclass(frozen=True)
class TextOutput:
    """What the text tower makes of B sentences.

    Attributes:
        sentences: Unit vectors, shape (B, d).
        words: One projected vector a token, shape (B, L, d), not normalised.
        mask: True for tokens, False for padding, shape (B, L).
    """

    sentences: Tensor
    words: Tensor
    mask: Tensor


class FrozenText:
    """The embeddings and lower layers of a text backbone: never trained, so run once a sentence.

    Args:
        model: The model in training.
        trained_layers: How many of the upper layers belong to `TrainedText`.
        cache: Keeps the states on disk; without it they are computed anew in every run.

    Raises:
        UserError: The backbone is not of BERT's form (``embeddings`` and ``encoder.layer``), or has fewer layers.
    """

    def __init__(self, model: SentenceTransformer, trained_layers: int, cache: FeatureCache | None = None) -> None:
        transformer, _, _ = two_tower.text_route(model)
        self._transformer = transformer
        self._backbone: Any = transformer.model
        self._layers = _layers(self._backbone)
        if not 0 <= trained_layers <= len(self._layers):
            raise UserError(
                f"trained_layers is {trained_layers}, but the text backbone has {len(self._layers)} layers."
            )
        self._frozen = len(self._layers) - trained_layers
        self._cache = cache
        self._check_form()

    def states(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Compute the token states below the first trained layer.

        Args:
            texts: Sentences; repeated ones are computed once.

        Returns:
            For each different sentence its states, shape (tokens, hidden size), without padding.
        """
        keys = {text: hashlib.sha256(text.encode()).hexdigest() for text in set(texts)}
        rows: dict[str, np.ndarray] = self._cache.rows if self._cache else {}
        # Sentences of similar length share a batch, so that little padding is computed.
        missing = sorted((text for text, key in keys.items() if key not in rows), key=lambda text: (len(text), text))
        starts = range(0, len(missing), _BATCH)
        for start in track(starts, f"Frozen states of {len(missing)} sentences", disable=len(missing) < _BATCH):
            batch = missing[start : start + _BATCH]
            computed = {keys[text]: state for text, state in zip(batch, self._compute(batch), strict=True)}
            if self._cache:
                self._cache.add(computed)
            else:
                rows.update(computed)
        if self._cache:
            self._cache.flush()
        return {text: torch.from_numpy(rows[key]) for text, key in keys.items()}

    @torch.inference_mode()
    def _check_form(self) -> None:
        """Make sure that running the layers one by one gives what the backbone itself gives."""
        features = self._transformer.preprocess([{"text": text} for text in ("a", "a longer sentence, of some words")])
        inputs = {key: features[key] for key in ("input_ids", "attention_mask")}
        mask = inputs["attention_mask"].bool()
        hidden = self._backbone.embeddings(input_ids=inputs["input_ids"])
        for layer in self._layers:
            hidden = _apply(layer, hidden, mask)
        expected = self._backbone(**inputs).last_hidden_state
        if not torch.allclose(hidden[mask], expected[mask], atol=1e-3):
            raise UserError(
                f"Text backbones of the kind {type(self._backbone).__name__} cannot be trained here: they do more "
                "than BERT and XLM-R between their layers."
            )

    @torch.inference_mode()
    def _compute(self, texts: list[str]) -> list[np.ndarray]:
        features = self._transformer.preprocess([{"text": text} for text in texts])
        hidden, mask = self._forward(features["input_ids"], features["attention_mask"])
        return [row[:length].clone().numpy() for row, length in zip(hidden, mask.sum(dim=1).tolist(), strict=True)]

    def _forward(self, token_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self._backbone.embeddings(input_ids=token_ids)
        for layer in self._layers[: self._frozen]:
            hidden = _apply(layer, hidden, mask)
        return hidden, mask


class TrainedText(nn.Module):
    """The upper layers, pooling and projection of the text tower.

    Args:
        model: The model in training; its modules are shared, not copied.
        trained_layers: How many of the upper layers are trained; 0 trains the projection alone.
    """

    def __init__(self, model: SentenceTransformer, trained_layers: int) -> None:
        super().__init__()
        transformer, _, projection = two_tower.text_route(model)
        layers = _layers(transformer.model)
        self.layers = nn.ModuleList(layers[len(layers) - trained_layers :])
        self.projection = projection.linear

    def forward(self, states: Sequence[Tensor]) -> TextOutput:
        """Encode sentences from their frozen states.

        Args:
            states: One tensor a sentence, shape (tokens, hidden size), from `FrozenText.states`.

        Returns:
            Sentence and word vectors.
        """
        hidden = nn.utils.rnn.pad_sequence(list(states), batch_first=True).to(self.projection.weight.device)
        lengths = torch.tensor([len(state) for state in states], device=hidden.device)
        mask = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
        for layer in self.layers:
            hidden = _apply(layer, hidden, mask)
        words = self.projection(hidden)
        weights = mask[..., None].to(words.dtype)
        # A linear projection of the mean is the mean of the projections.
        mean = (words * weights).sum(dim=1) / weights.sum(dim=1)
        return TextOutput(F.normalize(mean, dim=-1), words, mask)


def _layers(backbone: Any) -> Any:
    try:
        return backbone.encoder.layer
    except AttributeError:
        raise UserError(
            f"Text backbones of the kind {type(backbone).__name__} cannot be trained here: their layers are not where "
            "BERT, XLM-R and their relatives keep them."
        ) from None


def _apply(layer: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    # Added to the scores: every kind of attention understands this form of a mask.
    blocked = (~mask.bool()).to(hidden.dtype)[:, None, None, :] * torch.finfo(hidden.dtype).min
    output = layer(hidden, blocked.expand(-1, 1, hidden.shape[1], -1))
    return output[0] if isinstance(output, tuple) else output
