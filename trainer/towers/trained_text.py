"""The part of a text tower that is trained.

It shares its modules with the SentenceTransformer that is being trained, so there is nothing to copy back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from trainer.towers.layers import TOKENS_AT_ONCE, apply_layer, frozen_layers, layers_of, of_similar_length, padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

    from trainer.towers.layers import TrainedLayers


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


class TrainedText(nn.Module):
    """The upper layers, pooling and projection of the text tower.

    Sentences of similar length run together, under a budget of tokens, whatever the batch: captions are short, and
    padding all to the longest of a batch would more than double the work.

    Args:
        model: The model in training; its modules are shared, not copied.
        trained_layers: How many of the upper layers are trained; 0 trains the projection alone, ``all`` the
            embeddings as well.
        tokens_at_once: Budget of tokens that run at once, padding included.
        dropout: Dropout of what is trained; the backbone's own if None.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        trained_layers: TrainedLayers,
        tokens_at_once: int = TOKENS_AT_ONCE,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        transformer, _, projection = two_tower.text_route(model)
        backbone: Any = transformer.model
        frozen = frozen_layers(backbone, trained_layers)
        self.embeddings = backbone.embeddings if frozen is None else None
        self.layers = nn.ModuleList(layers_of(backbone)[frozen or 0 :])
        if dropout is not None:
            for module in self.modules():
                if isinstance(module, nn.Dropout):
                    module.p = dropout
        self.projection = projection.linear
        self._tokens_at_once = tokens_at_once

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the trained layers, without the projection's."""
        return [parameter for name, parameter in self.named_parameters() if not name.startswith("projection.")]

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Encode sentences from their frozen states.

        Args:
            states: One tensor a sentence, from `FrozenText.states`.

        Returns:
            Unit vectors in the order of the sentences, shape (B, d).
        """
        return F.normalize(self.projection(self.pooled(states)), dim=-1)

    def pooled(self, states: Sequence[Tensor]) -> Tensor:
        """Run the layers alone: mean of the last states of each sentence's tokens, shape (B, hidden size)."""
        if not states:
            return self.projection.weight.new_zeros(0, self.projection.in_features)
        chunks, order = self._chunks(states)
        return torch.cat([_mean(*self._run(chunk)) for chunk in chunks])[order]

    def layers_hash(self) -> str:
        """Hash the weights of all that runs before the projection."""
        hashed = hashlib.sha256()
        for parameter in self.backbone_parameters():
            hashed.update(parameter.detach().cpu().contiguous().numpy().tobytes())
        return hashed.hexdigest()

    def with_words(self, states: Sequence[Tensor]) -> TextOutput:
        """Encode sentences and their words.

        Args:
            states: One tensor a sentence, from `FrozenText.states`.

        Returns:
            Sentence and word vectors.
        """
        hidden, mask = self.last_states(states)
        sentences = F.normalize(self.projection(_mean(hidden, mask)), dim=-1)
        return TextOutput(sentences, self.projection(hidden), mask)

    def last_states(self, states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Run the layers alone.

        Args:
            states: One tensor a sentence, from `FrozenText.states`.

        Returns:
            The last states of the tokens, shape (B, L, hidden size), and their mask, shape (B, L).
        """
        chunks, order = self._chunks(states)
        longest = max(len(state) for state in states)
        found, masks = [], []
        for chunk in chunks:
            hidden, mask = self._run(chunk)
            found.append(F.pad(hidden, (0, 0, 0, longest - hidden.shape[1])))
            masks.append(F.pad(mask, (0, longest - mask.shape[1])))
        return torch.cat(found)[order], torch.cat(masks)[order]

    def _chunks(self, states: Sequence[Tensor]) -> tuple[list[list[Tensor]], Tensor]:
        """Sentences of similar length together, and where each sentence ends up."""
        chunks = list(of_similar_length([len(state) for state in states], self._tokens_at_once))
        order = torch.argsort(torch.tensor([index for chunk in chunks for index in chunk]))
        return [[states[index] for index in chunk] for chunk in chunks], order.to(self.projection.weight.device)

    def _run(self, states: list[Tensor]) -> tuple[Tensor, Tensor]:
        device = self.projection.weight.device
        rows, mask = (tensor.to(device) for tensor in padded(states))
        hidden = rows.float() if self.embeddings is None else self.embeddings(input_ids=rows)
        for layer in self.layers:
            hidden = apply_layer(layer, hidden, mask)
        return hidden, mask


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)
