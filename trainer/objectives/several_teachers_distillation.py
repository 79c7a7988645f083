"""Hand the relations that several teachers see in a batch on to one student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainer.objectives.relational_distillation import relational_distillation

if TYPE_CHECKING:
    from torch import Tensor


def several_teachers_distillation(
    student: Tensor, teachers: Tensor, temperature: float = 0.1, pooling: Literal["max", "mean", "min"] = "max"
) -> Tensor:
    """Kullback-Leibler divergence between the teachers' pooled similarities and the student's, rows plus columns.

    ``L = mean_i KL(P^T_i. || P^S_i.) + mean_j KL(P^T_.j || P^S_.j)`` where the teachers' similarities are pooled
    element by element before the softmax. Rows and columns are added, not averaged.

    Source: C2KD (temperature 0.1; the published runs take the largest cosine, under an option called ``min``). Its
    teachers compare source captions with videos; that ours compare source captions with translations, as CL2CM's
    teacher does, is our reading.

    Args:
        student: Similarities, shape (B, B).
        teachers: Similarities of the same pairs by each of K teachers, shape (K, B, B); no gradient flows into them.
        temperature: Divides the similarities of both sides; above 0.
        pooling: Which of the teachers' similarities of a pair counts: the largest, the mean or the smallest.

    Returns:
        The loss, a scalar, at least 0.
    """
    pooled = teachers.mean(dim=0) if pooling == "mean" else getattr(teachers, f"a{pooling}")(dim=0)
    return 2 * relational_distillation(student, pooled, temperature, temperature)
