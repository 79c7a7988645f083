from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from trainer.objectives.several_teachers_distillation import several_teachers_distillation


def similarities(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_two_teachers_of_two_pairs_by_hand():
    # The larger of the two is the identity; against a student that knows nothing rows cost 0.110944, columns as much.
    teachers = torch.stack([torch.tensor([[1.0, 0.0], [-3.0, 0.5]]), torch.tensor([[-1.0, -0.2], [0.0, 1.0]])])

    assert several_teachers_distillation(torch.zeros(2, 2), teachers, 1.0).item() == pytest.approx(0.221887, abs=1e-5)


@pytest.mark.parametrize("pooling", ["max", "mean", "min"])
def test_equals_torch_on_the_similarities_pooled_by_loops(pooling):
    student, teachers = similarities(0, 4, 4), similarities(1, 3, 4, 4)
    pool = {"max": max, "min": min, "mean": lambda values: sum(values) / len(values)}[pooling]
    pooled = torch.tensor([[pool([float(one[i, j]) for one in teachers]) for j in range(4)] for i in range(4)])

    def divergence(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return F.kl_div((s / 0.1).log_softmax(1), (t / 0.1).softmax(1), reduction="batchmean")

    torch.testing.assert_close(
        several_teachers_distillation(student, teachers, 0.1, pooling),
        divergence(student, pooled) + divergence(student.T, pooled.T),
    )


def test_nothing_is_left_to_learn_from_teachers_that_agree_with_the_student():
    student = similarities(0, 4, 4)

    assert several_teachers_distillation(student, student.expand(3, 4, 4)).item() == pytest.approx(0, abs=1e-6)


def test_the_teachers_receive_no_gradient():
    student, teachers = similarities(1, 3, 3).requires_grad_(), similarities(2, 2, 3, 3).requires_grad_()

    several_teachers_distillation(student, teachers).backward()

    assert teachers.grad is None
    assert student.grad.isfinite().all()
    assert student.grad.abs().sum() > 0
