"""The temperature of a contrastive loss: a number, or a weight that is learned within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainer.recipe_forms import LearnableTemperature

if TYPE_CHECKING:
    from trainer.recipe_forms import TemperatureChoice


class Temperature(nn.Module):
    """A temperature, as a recipe's line asks for it.

    A learnable one is a parameter, so the optimiser and the stage's checkpoint hold it; it learns at the projections'
    rate. A constant one has no state.

    Source: CCLM's and LECCR's learnable temperature; the bounds are CCLM's. Whether CL2CM learns its own is not
    public.

    Args:
        choice: A constant, or where to start and between which bounds to stay.
    """

    def __init__(self, choice: TemperatureChoice) -> None:
        super().__init__()
        self._constant: float | None = None
        if isinstance(choice, LearnableTemperature) and choice.learnable:
            self.value = nn.Parameter(torch.tensor(choice.start))
            self._bounds = (choice.minimum, choice.maximum)
        else:
            self._constant = choice.start if isinstance(choice, LearnableTemperature) else choice

    def forward(self) -> float | Tensor:
        """Give the temperature; a learned one that the optimiser took out of its bounds is put back first."""
        if self._constant is not None:
            return self._constant
        # On the data: two losses of one step may ask, and the graph of the first must not see a changed weight.
        self.value.data.clamp_(*self._bounds)
        return self.value
