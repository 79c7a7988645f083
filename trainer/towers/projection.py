"""The projection of a tower in training: on standardised features, folded into the model's own layer afterwards."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Projection(nn.Module):
    """A linear projection of features with mean 0 and deviation 1.

    Features of pretrained backbones share a large mean, and their dimensions differ in scale: a projection learns
    faster, and finds better minima, where both are taken out first. Standardisation and projection are both affine, so
    the model itself keeps one stock layer.

    Args:
        linear: The model's own layer; shared, not copied. It is the whole projection again after `fold`.
        dropout: Share of the features that is dropped in training.
    """

    def __init__(self, linear: nn.Linear, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear = linear
        self._dropout = dropout
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(linear.in_features))
        self.register_buffer("deviation", torch.ones(linear.in_features))

    def standardise(self, features: Tensor) -> None:
        """Standardise from now on as these features need; what the layer says of raw features changes.

        Args:
            features: What the projection will take, shape (n, in).
        """
        self.mean.copy_(features.mean(dim=0))
        # A dimension that hardly varies is not blown up to noise.
        self.deviation.copy_(features.std(dim=0, correction=0).clamp_min(1e-3))

    @torch.no_grad()
    def fold(self) -> None:
        """Make the model's own layer the whole projection; vectors do not change."""
        assert self.linear.bias is not None
        self.linear.weight.div_(self.deviation)
        self.linear.bias.sub_(self.linear.weight @ self.mean)
        self.mean.zero_()
        self.deviation.fill_(1)

    def forward(self, features: Tensor) -> Tensor:
        """Project features, shape (..., in), to (..., out)."""
        standardised = (features - self.mean) / self.deviation
        return self.linear(F.dropout(standardised, self._dropout, self.training))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.linear.weight.device
