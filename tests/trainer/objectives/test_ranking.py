from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from trainer.objectives.ranking import hardest_negative_hinge

# Cosines of two sides of three rows: every pair has 0.5.
COSINES = torch.tensor([[0.5, 0.4, 0.6], [-0.2, 0.5, 0.1], [0.9, 0.0, 0.5]])
DISTINCT = torch.arange(3)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def of_cosines(cosines: torch.Tensor, groups: torch.Tensor, **settings: object) -> torch.Tensor:
    return hardest_negative_hinge(cosines, torch.eye(len(cosines)), groups, **settings)


def test_three_pairs_by_hand():
    # Rows: 0.2 - 0.5 + (0.6, 0.1, 0.9) = 0.3, 0 (below the margin), 0.6. Columns: + (0.9, 0.4, 0.6) = 0.6, 0.1, 0.3.
    assert of_cosines(COSINES, DISTINCT, reduction="sum").item() == pytest.approx(1.9, abs=1e-6)
    assert of_cosines(COSINES, DISTINCT).item() == pytest.approx(1.9 / 3, abs=1e-6)


def test_rows_of_one_group_are_no_negatives_by_hand():
    # Without the pairs 0-2: rows 0.2 - 0.5 + (0.4, 0.1, 0.0) = 0.1, 0, 0; columns + (-0.2, 0.4, 0.1) = 0, 0.1, 0.
    loss = of_cosines(COSINES, torch.tensor([4, 1, 4]), reduction="sum")

    assert loss.item() == pytest.approx(0.2, abs=1e-6)


def test_equals_its_formula_written_as_loops():
    a, b, groups = unit(6, 4), unit(6, 4, seed=1), [0, 1, 0, 2, 3, 1]
    total = 0.0
    for i in range(6):
        others = [j for j in range(6) if groups[j] != groups[i]]
        pair = float(a[i] @ b[i])
        total += max(0.0, 0.3 - pair + max(float(a[i] @ b[j]) for j in others))
        total += max(0.0, 0.3 - pair + max(float(a[j] @ b[i]) for j in others))

    loss = hardest_negative_hinge(a, b, torch.tensor(groups), margin=0.3, reduction="sum")
    assert loss.item() == pytest.approx(total, abs=1e-5)


def test_pairs_that_are_far_enough_ahead_cost_nothing_and_teach_nothing():
    a = torch.eye(3).requires_grad_()

    loss = hardest_negative_hinge(a, torch.eye(3), DISTINCT, margin=0.9)
    loss.backward()

    assert loss.item() == 0
    assert (a.grad == 0).all()


@pytest.mark.parametrize("size", [1, 4])
def test_a_batch_without_negatives_costs_nothing(size):
    a = unit(size, 3).requires_grad_()

    loss = hardest_negative_hinge(a, unit(size, 3, seed=1), torch.zeros(size, dtype=torch.long))
    loss.backward()

    assert loss.item() == 0
    assert a.grad.isfinite().all()


def test_identical_vectors_cost_the_margin_and_have_finite_gradients():
    a = torch.full((3, 4), 0.5).requires_grad_()

    loss = hardest_negative_hinge(a, a, DISTINCT, margin=0.2)
    loss.backward()

    assert loss.item() == pytest.approx(0.4, abs=1e-6)
    assert a.grad.isfinite().all()


def test_is_symmetric_in_its_sides():
    a, b, groups = unit(4, 6), unit(4, 6, seed=1), torch.tensor([0, 1, 1, 2])

    torch.testing.assert_close(hardest_negative_hinge(a, b, groups), hardest_negative_hinge(b, a, groups))
