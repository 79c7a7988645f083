"""Hand the relations that a teacher sees in a batch on to a student."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def relational_distillation(
    student: Tensor, teacher: Tensor, student_temperature: float, teacher_temperature: float
) -> Tensor:
    """Kullback-Leibler divergence between the teacher's and the student's similarities, over rows and columns.

    ``L = 1/2 [ mean_i KL(P^T_i. || P^S_i.) + mean_j KL(P^T_.j || P^S_.j) ]`` with ``P_ij = softmax_j(sim_ij / t)``. In
    CL2CM the teacher's rows are source captions, the student's rows their pictures, the columns of both the translated
    captions. There is no factor of squared temperature.

    Source: NRCCR's and C2KD's distillation over rows and columns; that CL2CM's relational distillation takes this form
    is our reading.

    Args:
        student: Similarities, shape (B, B).
        teacher: Similarities of the same pairs, shape (B, B); no gradient flows into it.
        student_temperature: Divides the student's similarities; above 0.
        teacher_temperature: Divides the teacher's similarities; above 0.

    Returns:
        The loss, a scalar, at least 0; 0 where both see the same relations.
    """
    teacher = teacher.detach() / teacher_temperature
    student = student / student_temperature
    return (_divergence(student, teacher) + _divergence(student.T, teacher.T)) / 2


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student.log_softmax(dim=1), teacher.log_softmax(dim=1), reduction="batchmean", log_target=True)
