"""The layers of a text backbone, run one by one on sentences of similar length."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    TrainedLayers = int | Literal["all"]

TOKENS_AT_ONCE = 2048
"""Tokens that run at once, padding included."""


def of_similar_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Put sentences of similar length together.

    Args:
        lengths: The tokens of each sentence.
        budget: Tokens that a chunk may have, padding to its longest sentence included; a longer sentence stays alone.

    Yields:
        Indices of the sentences of a chunk, shortest first.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > budget:
            yield order[start:end]
            start = end


def padded(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Put sentences into one tensor, shape (B, L, ...), and say which places are tokens, shape (B, L)."""
    together = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return together, torch.arange(together.shape[1]) < lengths[:, None]


def layers_of(backbone: Any) -> Any:
    """Give the layers of a backbone of BERT's form, lowest first.

    Raises:
        UserError: The backbone keeps them elsewhere.
    """
    try:
        return backbone.encoder.layer
    except AttributeError:
        raise UserError(
            f"Text backbones of the kind {type(backbone).__name__} cannot be trained here: their layers are not where "
            "BERT, XLM-R and their relatives keep them."
        ) from None


def frozen_layers(backbone: Any, trained_layers: TrainedLayers) -> int | None:
    """Count the lower layers that stay frozen; None where the embeddings are trained as well.

    Raises:
        UserError: The backbone has fewer layers than are to be trained.
    """
    if trained_layers == "all":
        return None
    layers = len(layers_of(backbone))
    if not 0 <= trained_layers <= layers:
        raise UserError(f"trained_layers is {trained_layers}, but the text backbone has {layers} layers.")
    return layers - trained_layers


def apply_layer(layer: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """Run one layer on states of shape (B, L, hidden size) under a mask of shape (B, L)."""
    # Added to the scores: every kind of attention understands this form of a mask.
    blocked = (~mask.bool()).to(hidden.dtype)[:, None, None, :] * torch.finfo(hidden.dtype).min
    with _attention(hidden.device):
        output = layer(hidden, blocked.expand(-1, 1, hidden.shape[1], -1))
    return output[0] if isinstance(output, tuple) else output


def _attention(device: torch.device) -> AbstractContextManager[Any]:
    """Choose how attention is computed.

    Under bfloat16 the fused kernel of a CPU takes half of a training step for short sentences, plain products a tenth.
    """
    if device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()
