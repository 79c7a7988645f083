"""Distillation in stage 2, in the form that a recipe chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from trainer.objectives.embedding_distillation import embedding_distillation
from trainer.objectives.relational_distillation import relational_distillation
from trainer.objectives.several_teachers_distillation import several_teachers_distillation
from trainer.objectives.soft_label_distillation import soft_label_distillation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from trainer.recipe_forms import Distillation


@dataclass(frozen=True)
class Views:
    """What student and teachers make of a batch of B captioned pictures; unit vectors in the same order of rows.

    Attributes:
        images: The student's pictures, shape (B, d).
        targets: The student's translated captions, shape (B, d).
        sources: The student's source captions, shape (B, d); None where the recipe does not match them.
        teacher_sources: Each frozen teacher's source captions, shape (B, d of the teacher).
        teacher_targets: Each frozen teacher's translated captions.
    """

    images: Tensor
    targets: Tensor
    sources: Tensor | None
    teacher_sources: Sequence[Tensor]
    teacher_targets: Sequence[Tensor]


def distil(choice: Distillation, views: Views) -> Tensor:
    """Compute how far the student is from what it is taught, without the recipe's weight."""
    return _FORMS[choice.form](choice, views)


def _relational(choice: Any, views: Views) -> Tensor:
    (teacher,) = _relations(views)
    student = views.images @ views.targets.T
    return relational_distillation(student, teacher, choice.student_temperature, choice.teacher_temperature)


def _several_teachers(choice: Any, views: Views) -> Tensor:
    student = views.images @ views.targets.T
    return several_teachers_distillation(student, torch.stack(_relations(views)), choice.temperature, choice.pooling)


def _soft_labels(choice: Any, views: Views) -> Tensor:
    assert views.sources is not None, "the recipe is checked for this"
    return soft_label_distillation(views.images @ views.targets.T, views.images @ views.sources.T, choice.temperature)


def _embeddings(_choice: Any, views: Views) -> Tensor:
    (teacher,) = views.teacher_sources
    return (embedding_distillation(views.images, teacher) + embedding_distillation(views.targets, teacher)) / 2


def _relations(views: Views) -> list[Tensor]:
    pairs = zip(views.teacher_sources, views.teacher_targets, strict=True)
    return [source @ target.T for source, target in pairs]


_FORMS: dict[str, Callable[[Any, Views], Tensor]] = {
    "relational": _relational,
    "several_teachers": _several_teachers,
    "soft_labels": _soft_labels,
    "embeddings": _embeddings,
}
