from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F

from trainer.objectives.word_alignment import transport_distance, transport_plan


def words(batch: int, length: int, seed: int, width: int = 6) -> torch.Tensor:
    return torch.randn(batch, length, width, generator=torch.Generator().manual_seed(seed))


def mask(lengths: list[int], width: int) -> torch.Tensor:
    return torch.arange(width) < torch.tensor(lengths)[:, None]


def cosine_cost(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return 1 - F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(1, 2)


def test_two_words_in_another_order_cost_nothing():
    source = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    both = mask([2], 2)

    assert transport_distance(source, source.flip(1), both, both).item() == pytest.approx(0, abs=1e-5)


def test_one_word_to_two_by_hand():
    # All plans are (1/2, 1/2); the costs are 1 - 1 = 0 and 1 - (-1) = 2, so the distance is 1.
    source, target = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [-5.0, 0.0]]])

    assert transport_distance(source, target, mask([1], 1), mask([2], 2)).item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_plan_costs_nearly_what_the_exact_one_costs(seed):
    cost = cosine_cost(words(1, 4, seed), words(1, 6, seed + 100))
    plan = transport_plan(cost, mask([4], 4), mask([6], 6), iterations=500)

    exact = ot.emd2(np.full(4, 1 / 4), np.full(6, 1 / 6), cost[0].double().numpy())
    found = float((plan * cost).sum())
    assert exact - 1e-4 <= found <= exact * 1.02 + 1e-4


def test_one_iteration_is_a_sinkhorn_step_that_keeps_its_columns():
    cost = cosine_cost(words(1, 3, 0), words(1, 5, 1))
    plan = transport_plan(cost, mask([3], 3), mask([5], 5), beta=0.5, iterations=1)

    torch.testing.assert_close(plan.sum(dim=1), torch.full((1, 5), 1 / 5))


def test_marginals_are_uniform_over_words_and_padding_gets_nothing():
    source, target = mask([2, 4], 4), mask([5, 3], 5)
    cost = cosine_cost(words(2, 4, 0), words(2, 5, 1))
    plan = transport_plan(cost, source, target, iterations=200)

    expected_rows = source / source.sum(dim=1, keepdim=True)
    expected_columns = target / target.sum(dim=1, keepdim=True)
    torch.testing.assert_close(plan.sum(dim=2), expected_rows, atol=2e-3, rtol=0)
    torch.testing.assert_close(plan.sum(dim=1), expected_columns, atol=1e-6, rtol=0)
    assert (plan[~(source[:, :, None] & target[:, None, :])] == 0).all()
    assert (plan >= 0).all()


@pytest.mark.parametrize("filler", [0.0, 7.0])
def test_wider_padding_does_not_change_the_distance(filler):
    source, target = words(3, 4, 0), words(3, 5, 1)
    lengths = [4, 2, 1], [5, 3, 1]
    narrow = transport_distance(source, target, mask(lengths[0], 4), mask(lengths[1], 5))
    wide = transport_distance(
        F.pad(source, (0, 0, 0, 3), value=filler),
        F.pad(target, (0, 0, 0, 6), value=filler),
        mask(lengths[0], 7),
        mask(lengths[1], 11),
    )

    torch.testing.assert_close(wide, narrow)


def test_the_batch_is_averaged():
    source, target = words(2, 3, 0), words(2, 3, 1)
    every = mask([3, 3], 3)
    both = transport_distance(source, target, every, every)
    each = [transport_distance(source[i : i + 1], target[i : i + 1], every[:1], every[:1]) for i in range(2)]

    torch.testing.assert_close(both, torch.stack(each).mean())


def test_gradients_are_finite_for_one_word_identical_sentences_and_zero_vectors():
    single = words(1, 1, 0).requires_grad_()
    same = words(1, 4, 1).requires_grad_()
    zero = torch.zeros(1, 3, 6, requires_grad=True)
    for source in (single, same, zero):
        every = torch.ones(1, source.shape[1], dtype=torch.bool)
        transport_distance(source, source, every, every).backward()
        assert source.grad.isfinite().all()


def test_the_gradient_flows_through_the_cost_alone():
    source, target = words(1, 3, 0).requires_grad_(), words(1, 4, 1)
    transport_distance(source, target, mask([3], 3), mask([4], 4)).backward()

    constant = source.detach().clone().requires_grad_()
    plan = transport_plan(cosine_cost(constant.detach(), target), mask([3], 3), mask([4], 4))
    (plan * cosine_cost(constant, target)).sum().backward()
    torch.testing.assert_close(source.grad, constant.grad)


@pytest.mark.parametrize("beta", [0.01, 0.05, 0.5, 5.0])
def test_any_step_gives_a_finite_plan_with_all_mass(beta):
    cost = cosine_cost(words(8, 20, 0), words(8, 30, 1))
    plan = transport_plan(cost, mask([20] * 8, 20), mask([30] * 8, 30), beta=beta)

    assert plan.isfinite().all()
    torch.testing.assert_close(plan.sum(dim=(1, 2)), torch.ones(8), atol=1e-3, rtol=0)
