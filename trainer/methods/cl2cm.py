"""Stage 2 of CL2CM: the cross-modal network, on pictures, their captions and the translations of those.

``L_CM = L(v, t) + source_weight * L(v, s) + weight * L_rd``: matching of pictures with translated captions and with
source captions, and relational distillation from the frozen network of stage 1, whose source captions stand in the
pictures' rows. That the paper matches pictures with source captions too, and its weights, are our reading. The other
forms of distillation, and none, make the baselines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from cl2cm_plugin.errors import UserError
from trainer.methods.distillation import Views, distil
from trainer.methods.matching import Matching
from trainer.methods.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from trainer.corpus.training_data import CaptionedPicture
    from trainer.recipe import CrossModal
    from trainer.towers import TrainedText


class CrossModalNetwork(Stage):
    """Vision-target and vision-source matching with distillation, each in the form that the recipe chooses.

    Args:
        text: The trained part of the text tower; starts from stage 1's weights.
        projection: The trained part of the image tower: features to the common space.
        settings: The recipe's lines on this stage.
        states: Frozen text states by sentence.
        features: Frozen image features by file, shape (d_image,).
        teacher: Vectors of the frozen stage-1 network by sentence, shape (d,); for the form ``several_teachers`` a
            list of such vectors, stage 1's and those of other frozen models, whose lengths may differ.
        seed: Seeds order and dropout.

    Raises:
        UserError: There are fewer or more teachers than the recipe's form of distillation takes.
    """

    def __init__(
        self,
        text: TrainedText,
        projection: nn.Linear,
        settings: CrossModal,
        states: dict[str, Tensor],
        features: dict[str, Tensor],
        teacher: dict[str, Tensor] | Sequence[dict[str, Tensor]],
        seed: int,
    ) -> None:
        super().__init__("Stage 2, cross-modal network", settings.optimiser, seed)
        self.text = text
        self.projection = projection
        self.settings = settings
        self.matching = Matching(settings.matching, settings.temperature)
        self._states, self._features = states, features
        self._teachers = [teacher] if isinstance(teacher, dict) else list(teacher)
        several = settings.distillation.form == "several_teachers"
        if several != (len(self._teachers) > 1):
            wanted = "at least two teachers" if several else "one teacher"
            raise UserError(
                f"Distillation in the form {settings.distillation.form!r} takes {wanted}, not {len(self._teachers)}."
            )

    def collate(self, items: list[CaptionedPicture]) -> dict[str, Any]:
        """Look up everything frozen that belongs to some captioned pictures."""
        return {
            "image": torch.stack([self._features[item.file] for item in items]),
            "source": [self._states[item.source] for item in items],
            "target": [self._states[item.target] for item in items],
            "teacher_sources": [torch.stack([known[item.source] for item in items]) for known in self._teachers],
            "teacher_targets": [torch.stack([known[item.target] for item in items]) for known in self._teachers],
            "group": torch.tensor([item.group for item in items]),
        }

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the text backbone's trained layers."""
        return list(self.text.layers.parameters())

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute matching with both languages, and distillation where it has a weight."""
        settings = self.settings
        features = F.dropout(batch["image"], settings.feature_dropout, self.training)
        images = F.normalize(self.projection(features), dim=-1)
        targets = self.text(batch["target"]).sentences
        losses = {"target": self.matching(images, targets, batch["group"])}
        sources = None
        if settings.source_weight:
            sources = self.text(batch["source"]).sentences
            losses["source"] = settings.source_weight * self.matching(images, sources, batch["group"])
        if settings.distillation.weight:
            views = Views(images, targets, sources, batch["teacher_sources"], batch["teacher_targets"])
            losses["distillation"] = settings.distillation.weight * distil(settings.distillation, views)
        return losses
