"""The loss that pairs two sides of a batch, in the form and at the temperature that a recipe chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from trainer.methods.temperature import Temperature
from trainer.objectives.contrastive import contrastive
from trainer.objectives.ranking import hardest_negative_hinge

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.recipe_forms import Contrastive, Hinge, TemperatureChoice


class Matching(nn.Module):
    """Pairs sentences with translations in stage 1, pictures with captions in stage 2.

    Args:
        form: The recipe's line on the form.
        temperature: The recipe's temperature; a stage has one, which all its matching losses share (our reading).
    """

    def __init__(self, form: Contrastive | Hinge, temperature: TemperatureChoice) -> None:
        super().__init__()
        self.form = form
        self.temperature = Temperature(temperature)

    def forward(self, a: Tensor, b: Tensor, groups: Tensor) -> Tensor:
        """Compute the loss of the unit vectors ``a`` and ``b``, shape (B, d); rows of one group are positives.

        Fewer than two rows have no negatives and lose nothing.
        """
        if len(a) < 2:
            return a.sum() * 0
        return _FORMS[self.form.form](self, a, b, groups)


def _contrastive(matching: Matching, a: Tensor, b: Tensor, groups: Tensor) -> Tensor:
    return contrastive(a, b, groups, matching.temperature())


def _hinge(matching: Matching, a: Tensor, b: Tensor, groups: Tensor) -> Tensor:
    form: Any = matching.form
    return hardest_negative_hinge(a, b, groups, form.margin, form.reduction)


_FORMS: dict[str, Callable[[Matching, Tensor, Tensor, Tensor], Tensor]] = {
    "contrastive": _contrastive,
    "hinge": _hinge,
}
