from __future__ import annotations

import torch
import torch.nn.functional as F

from trainer.objectives.embedding_distillation import embedding_distillation


def unit(seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_two_rows_by_hand():
    # Squared distances: |(1, 0) - (0, 1)|^2 = 2 and |(1, 0) - (-1, 0)|^2 = 4.
    student, teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])

    assert embedding_distillation(student, teacher).item() == 3


def test_is_the_mean_squared_error_of_torch_times_the_length_of_a_vector():
    torch.testing.assert_close(embedding_distillation(unit(0), unit(1)), 8 * F.mse_loss(unit(0), unit(1)))


def test_between_unit_vectors_it_measures_cosines():
    expected = (2 - 2 * F.cosine_similarity(unit(0), unit(1))).mean()

    torch.testing.assert_close(embedding_distillation(unit(0), unit(1)), expected)


def test_the_same_vectors_cost_nothing_and_the_teacher_receives_no_gradient():
    student, teacher = unit(0).requires_grad_(), unit(0).requires_grad_()

    loss = embedding_distillation(student, teacher)
    loss.backward()

    assert loss.item() == 0
    assert teacher.grad is None
    assert student.grad.isfinite().all()
