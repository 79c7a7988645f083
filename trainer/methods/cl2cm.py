"""Stage 2 of CL2CM: the cross-modal network, on pictures, their captions and the translations of those.

``L_CM = target_weight * L(v, t) + source_weight * L(v, s) + weight * L_rd``: matching of pictures with translated
captions and with source captions, and relational distillation from the frozen network of stage 1, whose source
captions stand in the pictures' rows. That the paper matches pictures with source captions too, and its weights, are
our reading. The other forms of distillation, and none, make the baselines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from cl2cm_plugin.errors import UserError
from trainer.methods.distillation import Views, distil
from trainer.methods.matching import Matching
from trainer.methods.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from trainer.corpus.training_data import CaptionedPicture
    from trainer.recipe import CrossModal
    from trainer.towers.image import TrainedImage
    from trainer.towers.trained_text import TrainedText

    Teacher = dict[str, Tensor] | Sequence[dict[str, Tensor]] | None


class CrossModalNetwork(Stage):
    """Vision-target and vision-source matching with distillation, each in the form that the recipe chooses.

    Args:
        text: The trained part of the text tower; starts from stage 1's weights.
        image: The trained part of the image tower.
        settings: The recipe's lines on this stage.
        states: Frozen text states by sentence.
        image_inputs: From a file to what the trained part of the image tower takes.
        teacher: Vectors of the frozen stage-1 network by sentence, shape (d,); for the form ``several_teachers`` a
            list of such vectors, stage 1's and those of other frozen models, whose lengths may differ. None where
            both stages are trained at once: the text tower as it stands is the teacher then.
        seed: Seeds order and dropout.
        items: The captioned pictures to train on.

    Raises:
        UserError: There are fewer or more teachers than the recipe's form of distillation takes.
    """

    def __init__(
        self,
        text: TrainedText,
        image: TrainedImage,
        settings: CrossModal,
        states: dict[str, Tensor],
        image_inputs: Callable[[str], Tensor],
        teacher: Teacher,
        seed: int,
        items: Sequence[CaptionedPicture] = (),
    ) -> None:
        super().__init__("Stage 2, cross-modal network", settings.optimiser, seed, items)
        self.text, self.image = text, image
        self.settings = settings
        self.matching = Matching(settings.matching, settings.temperature)
        self._states, self._image_inputs = states, image_inputs
        self._teachers = _teachers(teacher, settings)
        self._sources: dict[int, list[str]] = {}
        for item in items:
            if item.source is not None:
                self._sources.setdefault(item.group, []).append(item.source)

    def collate(self, items: list[CaptionedPicture]) -> dict[str, Any]:
        """Look up everything frozen that belongs to some captioned pictures; a side that nothing needs stays empty."""
        settings = self.settings
        # Distillation looks at translations, and in some forms at sources, even where they are not matched.
        needed = {"source": settings.source_weight, "target": settings.target_weight or settings.distillation.weight}
        batch: dict[str, Any] = {
            "image": [self._image_inputs(item.file) for item in items],
            "group": torch.tensor([item.group for item in items]),
        }
        rows: dict[str, list[int]] = {}
        for side, weight in needed.items():
            rows[side] = [row for row, item in enumerate(items) if weight and getattr(item, side) is not None]
            batch[side] = [self._state(items[row], side) for row in rows[side]]
            batch[f"{side}_rows"] = torch.tensor(rows[side], dtype=torch.long)
        paired = [row for row in rows["target"] if settings.distillation.weight and items[row].source is not None]
        for side in needed:
            places = {row: place for place, row in enumerate(rows[side])}
            batch[f"paired_{side}s"] = torch.tensor([places[row] for row in paired if places], dtype=torch.long)
            texts = [getattr(items[row], side) for row in paired]
            teachers = self._teachers if settings.distillation.weight else []
            batch[f"teacher_{side}s"] = [_stacked(vectors, texts) for vectors in teachers]
        return batch

    def _state(self, item: CaptionedPicture, side: str) -> Tensor:
        """Look up what the text tower takes of a caption, mixed with another caption of the picture where asked."""
        state = self._states[getattr(item, side)]
        if side == "target" or not self.settings.caption_mixing:
            return state
        others = self._sources[item.group]
        other = self._states[others[int(torch.randint(len(others), ()))]]
        return torch.lerp(state, other, self.settings.caption_mixing * float(torch.rand(())))

    def text_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the text backbone's trained layers."""
        return self.text.backbone_parameters()

    def image_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the image backbone's trained layers."""
        return self.image.backbone_parameters()

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute matching with each side that has a weight, and distillation where it has one."""
        settings = self.settings
        images, groups = self.image(batch["image"]), batch["group"]
        encoded = self.text([*batch["source"], *batch["target"]])
        sources, targets = encoded.split([len(batch["source"]), len(batch["target"])])
        losses = {}
        for side, vectors, weight in (
            ("target", targets, settings.target_weight),
            ("source", sources, settings.source_weight),
        ):
            rows = batch[f"{side}_rows"]
            if weight:
                losses[side] = weight * self.matching(*self.gathered(images[rows], vectors, groups[rows]))
        if settings.distillation.weight:
            losses["distillation"] = settings.distillation.weight * self._distillation(batch, images, sources, targets)
        return losses

    def _distillation(self, batch: dict[str, Any], images: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
        """Compute what the pictures with captions on both sides are taught."""
        images = images[batch["target_rows"]][batch["paired_targets"]]
        targets = targets[batch["paired_targets"]]
        own = sources[batch["paired_sources"]] if self.settings.source_weight else None
        taught = list(zip(batch["teacher_sources"], batch["teacher_targets"], strict=True))
        if not self._teachers:
            assert own is not None, "the recipe is checked for this"
            taught = [(own.detach(), targets.detach())]
        # A process without a pair joins in all the same: the others wait for it.
        images, targets, *teachers = self.gathered(images, targets, *(side for pair in taught for side in pair))
        known = None if own is None else self.gathered(own)[0]
        if len(images) < 2:
            return images.sum() * 0
        return distil(self.settings.distillation, Views(images, targets, known, teachers[::2], teachers[1::2]))


def _stacked(vectors: dict[str, Tensor], texts: list[str]) -> Tensor:
    """Look up a teacher's vectors, shape (len(texts), d); also of no texts at all."""
    length = len(next(iter(vectors.values())))
    return torch.stack([vectors[text] for text in texts]) if texts else torch.empty(0, length)


def _teachers(teacher: Teacher, settings: CrossModal) -> list[dict[str, Tensor]]:
    if teacher is None:
        return []
    teachers = [teacher] if isinstance(teacher, dict) else list(teacher)
    several = settings.distillation.form == "several_teachers"
    if several != (len(teachers) > 1):
        wanted = "at least two teachers" if several else "one teacher"
        raise UserError(
            f"Distillation in the form {settings.distillation.form!r} takes {wanted}, not {len(teachers)}."
        )
    return teachers
