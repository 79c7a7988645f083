"""Stage 2 of CL2CM: the cross-modal network, on pictures, their captions and the translations of those.

``L_CM = L(v, t) + source_weight * L(v, s) + weight * L_rd``: matching of pictures with translated captions and with
source captions, and relational distillation from the frozen network of stage 1, whose source captions stand in the
pictures' rows. That the paper matches pictures with source captions too, and its weights, are our reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from trainer.methods.stage import Stage
from trainer.objectives.contrastive import contrastive
from trainer.objectives.relational_distillation import relational_distillation

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainer.corpus.training_data import CaptionedPicture
    from trainer.recipe import CrossModal
    from trainer.towers import TrainedText


class CrossModalNetwork(Stage):
    """Vision-target and vision-source matching with relational distillation.

    Args:
        text: The trained part of the text tower; starts from stage 1's weights.
        projection: The trained part of the image tower: features to the common space.
        settings: The recipe's lines on this stage.
        states: Frozen text states by sentence.
        features: Frozen image features by file, shape (d_image,).
        teacher: Vectors of the frozen stage-1 network by sentence, shape (d,).
        seed: Seeds order and dropout.
    """

    def __init__(
        self,
        text: TrainedText,
        projection: nn.Linear,
        settings: CrossModal,
        states: dict[str, Tensor],
        features: dict[str, Tensor],
        teacher: dict[str, Tensor],
        seed: int,
    ) -> None:
        super().__init__("Stage 2, cross-modal network", settings.optimiser, seed)
        self.text = text
        self.projection = projection
        self.settings = settings
        self._states, self._features, self._teacher = states, features, teacher

    def collate(self, items: list[CaptionedPicture]) -> dict[str, Any]:
        """Look up everything frozen that belongs to some captioned pictures."""
        return {
            "image": torch.stack([self._features[item.file] for item in items]),
            "source": [self._states[item.source] for item in items],
            "target": [self._states[item.target] for item in items],
            "teacher_source": torch.stack([self._teacher[item.source] for item in items]),
            "teacher_target": torch.stack([self._teacher[item.target] for item in items]),
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
        losses = {"target": contrastive(images, targets, batch["group"], settings.temperature)}
        if settings.source_weight:
            sources = self.text(batch["source"]).sentences
            matching = contrastive(images, sources, batch["group"], settings.temperature)
            losses["source"] = settings.source_weight * matching
        distillation = settings.distillation
        if distillation.weight:
            divergence = relational_distillation(
                images @ targets.T,
                batch["teacher_source"] @ batch["teacher_target"].T,
                distillation.student_temperature,
                distillation.teacher_temperature,
            )
            losses["distillation"] = distillation.weight * divergence
        return losses
