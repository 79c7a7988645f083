from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from trainer.objectives.contrastive import contrastive

DISTINCT = torch.arange(4)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_two_orthogonal_pairs_by_hand():
    # Logits are [[1, 0], [0, 1]] / 0.5: every row and column costs log(1 + e^-2) = 0.126928.
    loss = contrastive(torch.eye(2), torch.eye(2), torch.tensor([7, 3]), temperature=0.5)

    assert loss.item() == pytest.approx(0.126928, abs=1e-6)


def test_two_captions_of_one_picture_share_the_target_by_hand():
    # One group of two, cosines [[1, 0], [0, 1]], temperature 1: the target of a row is (1/2, 1/2), so a row costs
    # log(e + 1) - 1/2 = 0.813262.
    loss = contrastive(torch.eye(2), torch.eye(2), torch.tensor([5, 5]), temperature=1.0)

    assert loss.item() == pytest.approx(0.813262, abs=1e-6)


def test_distinct_groups_give_the_symmetric_loss_of_sentence_transformers():
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    a, b = unit(4, 6), unit(4, 6, seed=1)
    library = MultipleNegativesRankingLoss(
        model=None, scale=20.0, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    expected = library.compute_loss_from_embeddings([a, b], None)

    torch.testing.assert_close(contrastive(a, b, DISTINCT, temperature=1 / 20), expected)


def test_equals_its_formula_written_as_loops():
    a, b, groups, temperature = unit(5, 3), unit(5, 3, seed=1), [0, 1, 0, 2, 1], 0.2

    def direction(rows: torch.Tensor, columns: torch.Tensor) -> float:
        total = 0.0
        for i in range(5):
            scores = [float(rows[i] @ columns[j]) / temperature for j in range(5)]
            normaliser = math.log(sum(math.exp(score) for score in scores))
            own = [j for j in range(5) if groups[j] == groups[i]]
            total -= sum(scores[j] - normaliser for j in own) / len(own)
        return total / 5

    expected = (direction(a, b) + direction(b, a)) / 2
    assert contrastive(a, b, torch.tensor(groups), temperature).item() == pytest.approx(expected, abs=1e-5)


def test_members_of_a_group_are_pulled_together_not_apart():
    a, b = unit(4, 6).requires_grad_(), unit(4, 6, seed=1)

    contrastive(a, b, torch.tensor([0, 0, 1, 2]), temperature=1.0).backward()
    apart = contrastive(unit(4, 6).requires_grad_(), b, DISTINCT, temperature=1.0)

    # A step along the gradient brings row 0 nearer to row 1 of the other side, its positive, and away from row 2.
    step = -a.grad[0]
    assert step @ (b[1] - b[2]) > 0
    assert apart.requires_grad


def test_a_single_group_of_identical_vectors_has_finite_gradients():
    a = torch.ones(3, 4).div(2).requires_grad_()

    loss = contrastive(a, a, torch.zeros(3, dtype=torch.long), temperature=0.05)
    loss.backward()

    assert loss.item() == pytest.approx(math.log(3), abs=1e-5)
    assert a.grad.isfinite().all()


def test_is_symmetric_in_its_sides():
    a, b, groups = unit(4, 6), unit(4, 6, seed=1), torch.tensor([0, 1, 1, 2])

    torch.testing.assert_close(contrastive(a, b, groups, 0.1), contrastive(b, a, groups, 0.1))
