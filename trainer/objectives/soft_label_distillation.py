"""Labels that are as soft as a better-informed view of the same batch sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def soft_label_distillation(student: Tensor, teacher: Tensor, temperature: float = 0.07) -> Tensor:
    """Cross-entropy of the student's similarities against the teacher's as labels, over rows and columns.

    ``L = 1/2 [ mean_i -sum_j P^T_ij log P^S_ij + mean_j -sum_i P^T_ij log P^S_ij ]``, the softmax of the first term
    along rows, of the second along columns. It differs from the divergence of ``relational_distillation`` by the
    teacher's entropy alone, so that with equal temperatures the gradients are the same.

    Source: NRCCR's ``DtlLoss`` (temperature 0.07 on both sides). Its teacher is a translation that has attended to its
    source sentence; two towers have none, and the source captions stand in for it: our reading.

    Args:
        student: Similarities, shape (B, B).
        teacher: Similarities of the same pairs, shape (B, B); no gradient flows into it.
        temperature: Divides the similarities of both; above 0.

    Returns:
        The loss, a scalar, at least the mean entropy of the labels.
    """
    student, teacher = student / temperature, teacher.detach() / temperature
    rows = F.cross_entropy(student, teacher.softmax(dim=1))
    columns = F.cross_entropy(student.T, teacher.T.softmax(dim=1))
    return (rows + columns) / 2
