from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from trainer.objectives.relational_distillation import relational_distillation


def similarities(seed: int, size: int = 5) -> torch.Tensor:
    return torch.rand(size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_two_by_two_by_hand():
    # Teacher rows (and columns) are softmax(1, 0) = (0.731059, 0.268941); the student knows nothing: (1/2, 1/2).
    # KL = 0.731059 log(1.462117) + 0.268941 log(0.537883) = 0.110944.
    loss = relational_distillation(torch.zeros(2, 2), torch.eye(2), 1.0, 1.0)

    assert loss.item() == pytest.approx(0.110944, abs=1e-5)


def test_nothing_is_left_to_learn_where_the_relations_are_the_same():
    same = similarities(0)

    assert relational_distillation(same, same.clone(), 0.05, 0.05).item() == pytest.approx(0, abs=1e-6)
    assert relational_distillation(same, same.clone(), 0.05, 0.1).item() > 0.01


def test_temperatures_divide_the_similarities_of_their_own_side():
    teacher = similarities(0)

    assert relational_distillation(2 * teacher, teacher, 0.2, 0.1).item() == pytest.approx(0, abs=1e-6)


def test_rows_and_columns_equal_torch_written_as_loops():
    student, teacher = similarities(1), similarities(2)

    def divergence(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        rows = [F.kl_div((s[i] / 0.3).log_softmax(0), (t[i] / 0.2).softmax(0), reduction="sum") for i in range(len(s))]
        return torch.stack(rows).mean()

    expected = (divergence(student, teacher) + divergence(student.T, teacher.T)) / 2
    torch.testing.assert_close(relational_distillation(student, teacher, 0.3, 0.2), expected)


def test_the_teacher_receives_no_gradient():
    student, teacher = similarities(1).requires_grad_(), similarities(2).requires_grad_()

    relational_distillation(student, teacher, 0.05, 0.05).backward()

    assert teacher.grad is None
    assert student.grad.isfinite().all()
    assert student.grad.abs().sum() > 0


def test_a_certain_teacher_costs_the_cross_entropy_and_stays_finite():
    student = similarities(3).requires_grad_()
    loss = relational_distillation(student, torch.eye(5), 0.1, 1e-4)
    loss.backward()

    logits, labels = student.detach() / 0.1, torch.arange(5)
    expected = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    torch.testing.assert_close(loss.detach(), expected)
    assert student.grad.isfinite().all()
