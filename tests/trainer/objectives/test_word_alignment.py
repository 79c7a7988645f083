from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F

from trainer.objectives.word_alignment import (
    entropic_plan,
    entropic_transport_distance,
    mutual_alignment,
    self_labelled_alignment,
    transport_distance,
    transport_plan,
)

DISTANCES = [transport_distance, entropic_transport_distance]
LOSSES = [*DISTANCES, self_labelled_alignment]
PLANS = [transport_plan, entropic_plan]


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


@pytest.mark.parametrize("distance", DISTANCES)
def test_one_word_to_two_by_hand(distance):
    # All plans are (1/2, 1/2); the costs are 1 - 1 = 0 and 1 - (-1) = 2, so the distance is 1.
    source, target = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [-5.0, 0.0]]])

    assert distance(source, target, mask([1], 1), mask([2], 2)).item() == pytest.approx(1.0, abs=1e-6)


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


@pytest.mark.parametrize("solve", PLANS)
def test_marginals_are_uniform_over_words_and_padding_gets_nothing(solve):
    source, target = mask([2, 4], 4), mask([5, 3], 5)
    cost = cosine_cost(words(2, 4, 0), words(2, 5, 1))
    plan = solve(cost, source, target, iterations=200)

    expected_rows = source / source.sum(dim=1, keepdim=True)
    expected_columns = target / target.sum(dim=1, keepdim=True)
    torch.testing.assert_close(plan.sum(dim=2), expected_rows, atol=2e-3, rtol=0)
    torch.testing.assert_close(plan.sum(dim=1), expected_columns, atol=1e-6, rtol=0)
    assert (plan[~(source[:, :, None] & target[:, None, :])] == 0).all()
    assert (plan >= 0).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("filler", [0.0, 7.0])
def test_wider_padding_does_not_change_the_loss(filler, loss):
    source, target = words(3, 4, 0), words(3, 5, 1)
    lengths = [4, 2, 1], [5, 3, 1]
    narrow = loss(source, target, mask(lengths[0], 4), mask(lengths[1], 5))
    wide = loss(
        F.pad(source, (0, 0, 0, 3), value=filler),
        F.pad(target, (0, 0, 0, 6), value=filler),
        mask(lengths[0], 7),
        mask(lengths[1], 11),
    )

    torch.testing.assert_close(wide, narrow)


@pytest.mark.parametrize("loss", LOSSES)
def test_padding_receives_no_gradient(loss):
    source, target = words(2, 4, 0).requires_grad_(), words(2, 5, 1).requires_grad_()
    loss(source, target, mask([2, 4], 4), mask([5, 3], 5)).backward()

    assert (source.grad[0, 2:] == 0).all()
    assert (target.grad[1, 3:] == 0).all()
    assert source.grad.abs().sum() > 0


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_batch_is_averaged(distance):
    source, target = words(2, 3, 0), words(2, 3, 1)
    every = mask([3, 3], 3)
    both = distance(source, target, every, every)
    each = [distance(source[i : i + 1], target[i : i + 1], every[:1], every[:1]) for i in range(2)]

    torch.testing.assert_close(both, torch.stack(each).mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_finite_for_one_word_identical_sentences_and_zero_vectors(loss):
    single = words(1, 1, 0).requires_grad_()
    same = words(1, 4, 1).requires_grad_()
    zero = torch.zeros(1, 3, 6, requires_grad=True)
    for source in (single, same, zero):
        every = torch.ones(1, source.shape[1], dtype=torch.bool)
        loss(source, source, every, every).backward()
        assert source.grad.isfinite().all()


@pytest.mark.parametrize(("distance", "solve"), zip(DISTANCES, PLANS, strict=True))
def test_the_gradient_flows_through_the_cost_alone(distance, solve):
    source, target = words(1, 3, 0).requires_grad_(), words(1, 4, 1)
    distance(source, target, mask([3], 3), mask([4], 4)).backward()

    constant = source.detach().clone().requires_grad_()
    plan = solve(cosine_cost(constant.detach(), target), mask([3], 3), mask([4], 4))
    (plan * cosine_cost(constant, target)).sum().backward()
    torch.testing.assert_close(source.grad, constant.grad)


@pytest.mark.parametrize("beta", [0.01, 0.05, 0.5, 5.0])
def test_any_step_gives_a_finite_plan_with_all_mass(beta):
    cost = cosine_cost(words(8, 20, 0), words(8, 30, 1))
    plan = transport_plan(cost, mask([20] * 8, 20), mask([30] * 8, 30), beta=beta)

    assert plan.isfinite().all()
    torch.testing.assert_close(plan.sum(dim=(1, 2)), torch.ones(8), atol=1e-3, rtol=0)


@pytest.mark.parametrize("epsilon", [0.05, 0.1, 1.0])
def test_the_entropic_plan_is_that_of_pot(epsilon):
    cost = cosine_cost(words(2, 4, 0), words(2, 6, 1))
    plan = entropic_plan(cost, mask([4, 3], 4), mask([6, 2], 6), epsilon, iterations=1000)

    for found, one, m, n in zip(plan, cost.double().numpy(), (4, 3), (6, 2), strict=True):
        exact = ot.sinkhorn(
            np.full(m, 1 / m), np.full(n, 1 / n), one[:m, :n], epsilon, numItermax=10_000, stopThr=1e-12
        )
        np.testing.assert_allclose(found[:m, :n], exact, atol=1e-5)


def test_the_entropic_plan_of_two_words_by_hand():
    # The plan is symmetric: [[p, q], [q, p]] with p + q = 1/2 and p / q = exp(1 / epsilon) = e^2: q = 0.059601.
    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    plan = entropic_plan(cost, mask([2], 2), mask([2], 2), epsilon=0.5)

    torch.testing.assert_close(plan, torch.tensor([[[0.440399, 0.059601], [0.059601, 0.440399]]]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_small_epsilon_comes_near_the_exact_cost(seed):
    cost = cosine_cost(words(1, 4, seed), words(1, 6, seed + 100))
    plan = entropic_plan(cost, mask([4], 4), mask([6], 6), epsilon=0.005, iterations=2000)

    exact = ot.emd2(np.full(4, 1 / 4), np.full(6, 1 / 6), cost[0].double().numpy())
    assert float((plan * cost).sum()) == pytest.approx(exact, abs=2e-3)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 100.0])
def test_any_epsilon_gives_a_finite_plan_with_all_mass(epsilon):
    cost = cosine_cost(words(8, 20, 0), words(8, 30, 1))
    plan = entropic_plan(cost, mask([20] * 8, 20), mask([30] * 8, 30), epsilon)

    assert plan.isfinite().all()
    torch.testing.assert_close(plan.sum(dim=(1, 2)), torch.ones(8), atol=1e-2, rtol=0)


def test_words_that_choose_each_other_are_aligned_by_hand():
    # One iteration: over the sentence (columns) [[.9, .8], [.1, .2]] / (1, 1); over rows [[.53, .47], [.33, .67]].
    # The words of the translation both choose word 0, which chooses the first; word 1 chooses the second in vain.
    similarity = torch.tensor([[[0.9, 0.8], [0.1, 0.2]]])

    aligned = mutual_alignment(similarity, mask([2], 2), mask([2], 2), iterations=1)

    assert aligned.tolist() == [[[True, False], [False, False]]]


def test_a_second_iteration_balances_what_the_first_could_not_by_hand():
    # After one more: columns [[.529412, .470588], [.333333, .666667]] / (.862745, 1.137255) = [[.614, .414], [.386,
    # .586]], so that the translation's second word now chooses word 1, which still chooses it.
    similarity = torch.tensor([[[0.9, 0.8], [0.1, 0.2]]])

    aligned = mutual_alignment(similarity, mask([2], 2), mask([2], 2), iterations=2)

    assert aligned.tolist() == [[[True, False], [False, True]]]


def test_alignments_equal_xlm_aligns_loop_over_sentences():
    similarity = 1 - cosine_cost(words(6, 5, 0), words(6, 7, 1))
    lengths = [5, 1, 3, 4, 2, 5], [7, 4, 1, 2, 5, 6]
    aligned = mutual_alignment(similarity, mask(lengths[0], 5), mask(lengths[1], 7))

    for found, one, m, n in zip(aligned, similarity.numpy(), *lengths, strict=True):
        rows = np.where(one[:m, :n] > 0, one[:m, :n], 1e-6)
        for _ in range(2):
            columns = rows / rows.sum(axis=0, keepdims=True)
            rows = columns / columns.sum(axis=1, keepdims=True)
        expected = {(k, int(rows[k].argmax())) for k in range(m)} & {
            (int(columns[:, j].argmax()), j) for j in range(n)
        }
        assert {tuple(pair) for pair in found.nonzero().tolist()} == expected


def test_words_without_any_similarity_are_still_aligned_inside_their_sentence():
    aligned = mutual_alignment(torch.full((2, 3, 4), -1.0), mask([2, 3], 3), mask([1, 4], 4))

    assert aligned.sum(dim=(1, 2)).tolist() == [1, 1]
    assert aligned[:, 0, 0].all()


def test_pointing_at_the_aligned_words_by_hand():
    # Cosines are the identity; both words are aligned with their own, and each pays log(1 + e^-2) = 0.126928.
    source = torch.tensor([[[2.0, 0.0], [0.0, 3.0]]])
    both = mask([2], 2)

    assert self_labelled_alignment(source, source, both, both, 0.5).item() == pytest.approx(0.126928, abs=1e-6)


def test_both_directions_of_pointing_count_by_hand():
    # One word, two in the translation, cosines (1, -1): the first is aligned. From it: log(1 + e^-2); to it: nothing.
    source, target = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [-4.0, 0.0]]])

    loss = self_labelled_alignment(source, target, mask([1], 1), mask([2], 2), temperature=1.0)
    assert loss.item() == pytest.approx(0.126928 / 2, abs=1e-6)
    turned = self_labelled_alignment(target, source, mask([2], 2), mask([1], 1), temperature=1.0)
    assert turned.item() == pytest.approx(0.126928 / 2, abs=1e-6)


def test_every_alignment_of_the_batch_counts_the_same():
    source, target = words(3, 4, 0), words(3, 5, 1)
    masks = mask([4, 2, 1], 4), mask([5, 3, 2], 5)
    counts = mutual_alignment(1 - cosine_cost(source, target), *masks).sum(dim=(1, 2))
    each = [
        self_labelled_alignment(source[i : i + 1], target[i : i + 1], *(part[i : i + 1] for part in masks))
        for i in range(3)
    ]

    expected = (torch.stack(each) * counts).sum() / counts.sum()
    torch.testing.assert_close(self_labelled_alignment(source, target, *masks), expected)
