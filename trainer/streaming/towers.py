"""Towers that take token ids and pixels: what is frozen runs in every step, without gradients."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from trainer.corpus.pixels import Pixels
from trainer.towers.image import TrainedImage
from trainer.towers.layers import apply_layer, frozen_layers, layers_of, padded
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sentence_transformers import SentenceTransformer

    from trainer.towers.layers import TrainedLayers


class Beside(nn.Module):
    """Modules that go where a tower goes, and are no part of it: never trained, in no checkpoint.

    Args:
        *modules: Put into eval mode, where they stay.
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        # In a tuple torch does not find them.
        self.modules_beside = tuple(module.eval().requires_grad_(False) for module in modules)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Beside:
        # What `to`, `cuda` and `cpu` of every module above end in.
        for module in self.modules_beside:
            module._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self


class Tokens:
    """From a sentence to its token ids, shape (tokens,): what stands in a stage for states computed before.

    Args:
        model: The model in training, for its tokenizer and its limit.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        transformer = two_tower.text_route(model)[0]
        self._tokenizer: Any = transformer.tokenizer
        self._limit: Any = transformer.max_seq_length

    def __getitem__(self, text: str) -> Tensor:
        return torch.tensor(self._tokenizer(text, truncation=True, max_length=self._limit)["input_ids"])


class StreamedText(TrainedText):
    """The text tower from token ids on: `TrainedText` with what is frozen below it.

    Args:
        model: The model in training; its modules are shared, not copied.
        trained_layers: How many of the upper layers are trained, as in `TrainedText`.
        dropout: Dropout of what is trained; the backbone's own if None.
    """

    def __init__(
        self, model: SentenceTransformer, trained_layers: TrainedLayers, dropout: float | None = None
    ) -> None:
        super().__init__(model, trained_layers, dropout=dropout)
        backbone: Any = two_tower.text_route(model)[0].model
        frozen = frozen_layers(backbone, trained_layers)
        self.below = Beside() if frozen is None else Beside(backbone.embeddings, *layers_of(backbone)[:frozen])

    def frozen_copy(self) -> StreamedText:
        """Copy the tower as it stands, to teach; what is frozen is shared."""
        shared = {id(module): module for module in self.below.modules_beside}
        return copy.deepcopy(self, shared).eval().requires_grad_(False)

    def pooled(self, states: Sequence[Tensor]) -> Tensor:
        """Run the layers alone on token ids; no sentences still reach every weight, so that no process waits."""
        return super().pooled(states or [torch.zeros(1, dtype=torch.long)])[: len(states)]

    def _run(self, states: list[Tensor]) -> tuple[Tensor, Tensor]:
        if self.embeddings is not None:
            return super()._run(states)
        device = self.projection.weight.device
        rows, mask = (tensor.to(device) for tensor in padded(states))
        embeddings, *layers = self.below.modules_beside
        with torch.no_grad():
            hidden = embeddings(input_ids=rows)
            for layer in layers:
                hidden = apply_layer(layer, hidden, mask)
        for layer in self.layers:
            hidden = apply_layer(layer, hidden, mask)
        return hidden, mask


class StreamedImage(TrainedImage):
    """The image tower from pixels on, also where its backbone is frozen.

    Args:
        model: The model in training; its modules are shared, not copied.
        trained_layers: How many upper layers of the backbone are trained, as in `TrainedImage`.
        feature_dropout: Share of the features that is dropped in training.
    """

    def __init__(
        self, model: SentenceTransformer, trained_layers: TrainedLayers = 0, feature_dropout: float = 0.0
    ) -> None:
        super().__init__(model, trained_layers, feature_dropout)
        tower: Any = two_tower.image_route(model)[0]
        self.below = Beside() if trained_layers else Beside(tower.model)
        self._blank: Tensor = tower.preprocess([Image.new("RGB", (64, 64))])["pixel_values"]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Encode pictures from pixels; no pictures still reach every weight, so that no process waits."""
        return super().forward(inputs or [self._blank])[: len(inputs)]

    def _project(self, frames: Tensor) -> Tensor:
        if self.backbone is None:
            (backbone,) = self.below.modules_beside
            with torch.no_grad():
                frames = backbone(frames.to(memory_format=torch.channels_last)).pooler_output.flatten(1)
        return super()._project(frames)


class NothingCached:
    """What an `Embedder` asks for, computed when it is asked.

    Args:
        model: The model in training, or a trained one.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self._tokens = Tokens(model)
        self._pixels = Pixels(two_tower.image_route(model)[0], augmented=False)

    def text_states(self, texts: Iterable[str]) -> dict[str, Tensor]:
        """Give the token ids of texts."""
        return {text: self._tokens[text] for text in texts}

    def image_inputs(self, files: Iterable[str]) -> Callable[[str], Tensor]:
        """Give what opens pictures and clips as pixels."""
        return self._pixels
