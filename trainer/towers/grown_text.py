"""The text tower of a model whose vocabulary has grown: new rows of the embedding are trained, old ones stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class GrownText(TrainedText):
    """Upper layers, projection and the new rows of the embedding; lower layers run with them, but are not trained.

    Its sentences are token ids: `FrozenText` with ``all``.

    Args:
        model: The model in training; its modules are shared, but for the embedding, which `finish` puts back.
        trained_layers: How many of the upper layers are trained.
        known_pieces: How many rows of the embedding were there before; those behind them are trained.
    """

    def __init__(self, model: SentenceTransformer, trained_layers: int, known_pieces: int) -> None:
        super().__init__(model, "all")
        # In lists, so that they are no submodules twice.
        self._backbone: list[Any] = [two_tower.text_route(model)[0].model]
        self._frozen: list[Any] = [self.embeddings, *self.layers[: len(self.layers) - trained_layers]]
        for module in self._frozen:
            module.requires_grad_(False)
        embedding = self._backbone[0].get_input_embeddings()
        self._backbone[0].set_input_embeddings(_GrownEmbedding(embedding, known_pieces))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the trained layers and the new rows."""
        return [parameter for parameter in super().backbone_parameters() if parameter.requires_grad]

    def train(self, mode: bool = True) -> GrownText:
        """Switch dropout on or off; what is not trained has none, as where its states are computed once."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def finish(self) -> None:
        """Put an embedding with all rows, old and trained, into the model."""
        self._backbone[0].set_input_embeddings(self._backbone[0].get_input_embeddings().joined())


class _GrownEmbedding(nn.Embedding):
    """An embedding whose first rows are constant; its weight are those behind them."""

    old: Tensor

    def __init__(self, embedding: nn.Embedding, known: int) -> None:
        rows = embedding.weight.detach()
        new = rows[known:].clone()
        super().__init__(len(new), new.shape[1], _weight=new)
        self._padding = embedding.padding_idx
        # No part of a checkpoint: the model's own file has them.
        self.register_buffer("old", rows[:known].clone(), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        known = len(self.old)
        old = F.embedding(ids.clamp_max(known - 1), self.old)
        new = F.embedding((ids - known).clamp_min(0), self.weight)
        return torch.where((ids >= known)[..., None], new, old)

    def joined(self) -> nn.Embedding:
        rows = torch.cat([self.old, self.weight.detach()])
        return nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=self._padding)
