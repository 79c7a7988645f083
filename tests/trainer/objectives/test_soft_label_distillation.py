from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from trainer.objectives.relational_distillation import relational_distillation
from trainer.objectives.soft_label_distillation import soft_label_distillation


def similarities(seed: int, size: int = 5) -> torch.Tensor:
    return torch.rand(size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_two_by_two_by_hand():
    # Labels of a row are softmax(1, 0) = (0.731059, 0.268941), the student's logits (2, 0) have the log-probabilities
    # (-0.126928, -2.126928): 0.731059 * 0.126928 + 0.268941 * 2.126928 = 0.664810, columns alike.
    loss = soft_label_distillation(2 * torch.eye(2), torch.eye(2), 1.0)

    assert loss.item() == pytest.approx(0.664810, abs=1e-5)


def test_rows_and_columns_differ_and_both_count_by_hand():
    student, teacher = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[50.0, 0.0], [50.0, 0.0]])
    # Log-probabilities of (2, 0) are (-0.126928, -2.126928). Rows: labels (1, 0) twice, so 0.126928 and log 2;
    # columns: labels (1/2, 1/2) twice, so 1.126928 and log 2.
    expected = ((0.126928 + 0.693147) / 2 + (1.126928 + 0.693147) / 2) / 2

    assert soft_label_distillation(student, teacher, 1.0).item() == pytest.approx(expected, abs=1e-5)


def test_has_the_gradients_of_the_divergence_with_equal_temperatures():
    student, teacher = similarities(0).requires_grad_(), similarities(1)

    (labels,) = torch.autograd.grad(soft_label_distillation(student, teacher, 0.07), student)
    (divergence,) = torch.autograd.grad(relational_distillation(student, teacher, 0.07, 0.07), student)

    torch.testing.assert_close(labels, divergence, atol=1e-5, rtol=1e-4)


def test_a_certain_teacher_gives_hard_labels_and_stays_finite():
    student = similarities(3).requires_grad_()
    loss = soft_label_distillation(student, 1e4 * torch.eye(5), 0.1)
    loss.backward()

    logits, labels = student.detach() / 0.1, torch.arange(5)
    expected = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    torch.testing.assert_close(loss.detach(), expected)
    assert student.grad.isfinite().all()


def test_the_teacher_receives_no_gradient():
    student, teacher = similarities(1).requires_grad_(), similarities(2).requires_grad_()

    soft_label_distillation(student, teacher).backward()

    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
