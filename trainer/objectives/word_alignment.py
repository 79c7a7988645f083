"""Word-level alignment of a sentence and its translation: three readings of what CL2CM's paper does not spell out.

Transport by proximal point iteration, entropic transport, and alignment with labels that the model gives itself. In
all of them padding counts for nothing; every other token is a word.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def transport_distance(
    source: Tensor,
    target: Tensor,
    source_mask: Tensor,
    target_mask: Tensor,
    beta: float = 0.5,
    iterations: int = 50,
) -> Tensor:
    """Cost of moving the words of each sentence onto the words of its translation, averaged over the batch.

    The cost of a pair of words is ``C_kl = 1 - cos(h^s_k, h^t_l)``; every word of a sentence has the same mass,
    padding has none. The gradient flows through the cost alone, the plan is constant: ``L = mean_b <T*_b, C_b>``.

    Source: UC2's and UNITER's optimal transport (``model/ot.py``). That CL2CM's word level takes this form is our
    reading: its exact formula is not public.

    Args:
        source: Word vectors of the sentences, shape (B, m, d).
        target: Word vectors of their translations, shape (B, n, d).
        source_mask: True for words, False for padding, shape (B, m); at least one word a row.
        target_mask: The same for the translations, shape (B, n).
        beta: Step of the proximal point iteration; above 0.
        iterations: Outer iterations.

    Returns:
        The mean cost, a scalar between 0 and 2.
    """
    cost = 1 - _cosines(source, target)
    plan = transport_plan(cost.detach(), source_mask, target_mask, beta, iterations)
    return (plan * cost).sum(dim=(1, 2)).mean()


def entropic_transport_distance(
    source: Tensor,
    target: Tensor,
    source_mask: Tensor,
    target_mask: Tensor,
    epsilon: float = 0.1,
    iterations: int = 50,
) -> Tensor:
    """Cost of moving the words of each sentence onto its translation's, by a plan that stays a little spread out.

    ``L = mean_b <T*_b, C_b>`` with ``T* = argmin_T <T, C> - epsilon H(T)`` and costs and masses as in
    ``transport_distance``; the gradient flows through the cost alone.

    Source: entropic optimal transport (Cuturi, 2013). That CL2CM's word level takes this form is our reading.

    Args:
        source: Word vectors of the sentences, shape (B, m, d).
        target: Word vectors of their translations, shape (B, n, d).
        source_mask: True for words, False for padding, shape (B, m); at least one word a row.
        target_mask: The same for the translations, shape (B, n).
        epsilon: Weight of the plan's entropy, in units of the cost; above 0. Towards 0 the plan becomes the exact one.
        iterations: Sinkhorn iterations; a smaller epsilon needs more.

    Returns:
        The mean cost, a scalar between 0 and 2.
    """
    cost = 1 - _cosines(source, target)
    plan = entropic_plan(cost.detach(), source_mask, target_mask, epsilon, iterations)
    return (plan * cost).sum(dim=(1, 2)).mean()


def self_labelled_alignment(
    source: Tensor,
    target: Tensor,
    source_mask: Tensor,
    target_mask: Tensor,
    temperature: float = 0.05,
    iterations: int = 2,
) -> Tensor:
    """Make each word of a sentence point to the word of the translation that the model already aligns it with.

    ``L = 1/2|A| sum_{(k,l) in A} [ -log softmax_l' (c_kl' / t) at l - log softmax_k' (c_k'l / t) at k ]`` where ``c``
    are cosines and ``A`` the alignments of ``mutual_alignment`` in all sentences of the batch.

    Source: XLM-Align. It scores words by a learned projection of masked sentences, labels them by dot products, and
    averages over alignments and directions as here; cosines in both places, which need no weights of their own, and
    that CL2CM's self-supervised word level takes this form are our reading.

    Args:
        source: Word vectors of the sentences, shape (B, m, d).
        target: Word vectors of their translations, shape (B, n, d).
        source_mask: True for words, False for padding, shape (B, m); at least one word a row.
        target_mask: The same for the translations, shape (B, n).
        temperature: Divides the cosines; above 0.
        iterations: Sinkhorn iterations of the labels.

    Returns:
        The loss, a scalar, at least 0.
    """
    cosines = _cosines(source, target)
    aligned = mutual_alignment(cosines.detach(), source_mask, target_mask, iterations)
    logits, least = cosines / temperature, torch.finfo(cosines.dtype).min
    to_target = logits.masked_fill(~target_mask[:, None, :], least).log_softmax(dim=2)
    to_source = logits.masked_fill(~source_mask[:, :, None], least).log_softmax(dim=1)
    # Indexing keeps what padding holds out of the sum and of the gradient.
    return -(to_target[aligned].sum() + to_source[aligned].sum()) / (2 * aligned.sum().clamp_min(1))


@torch.no_grad()
def transport_plan(
    cost: Tensor, source_mask: Tensor, target_mask: Tensor, beta: float = 0.5, iterations: int = 50
) -> Tensor:
    """Solve a batch of optimal transport problems between uniform masses by IPOT.

    Args:
        cost: Cost of a pair of words, shape (B, m, n).
        source_mask: True for words, shape (B, m).
        target_mask: True for words, shape (B, n).
        beta: Step of the proximal point iteration; a smaller one comes nearer to the exact plan per iteration and is
            less stable.
        iterations: Outer iterations, each with one inner step.

    Returns:
        The plan, shape (B, m, n): columns of words sum to 1/(words of the translation), rows to 1/(words of the
        sentence) up to the solver's convergence (about 0.1 % after 50 iterations), padding is exactly 0.
    """
    rows, columns = source_mask.to(cost.dtype), target_mask.to(cost.dtype)
    row_mass = rows / rows.sum(dim=1, keepdim=True)
    column_mass = columns / columns.sum(dim=1, keepdim=True)
    pairs = rows[:, :, None] * columns[:, None, :]
    kernel = torch.exp(-cost / beta)
    plan, scale = pairs, column_mass
    tiny = torch.finfo(cost.dtype).tiny
    for _ in range(iterations):
        step = kernel * plan
        left = row_mass / (step @ scale[:, :, None]).squeeze(2).clamp_min(tiny)
        scale = column_mass / (left[:, None, :] @ step).squeeze(1).clamp_min(tiny)
        plan = left[:, :, None] * step * scale[:, None, :]
    return plan


@torch.no_grad()
def entropic_plan(
    cost: Tensor, source_mask: Tensor, target_mask: Tensor, epsilon: float = 0.1, iterations: int = 50
) -> Tensor:
    """Solve a batch of entropic transport problems between uniform masses by Sinkhorn's iteration on logarithms.

    Args:
        cost: Cost of a pair of words, shape (B, m, n).
        source_mask: True for words, shape (B, m); at least one a row.
        target_mask: True for words, shape (B, n); at least one a row.
        epsilon: Weight of the plan's entropy; above 0.
        iterations: Iterations.

    Returns:
        The plan, shape (B, m, n): columns of words sum to 1/(words of the translation), rows to 1/(words of the
        sentence) up to the solver's convergence, padding is exactly 0.
    """
    nothing = -torch.inf
    row_mass = -source_mask.sum(dim=1, keepdim=True).to(cost.dtype).log()
    column_mass = -target_mask.sum(dim=1, keepdim=True).to(cost.dtype).log()
    kernel = (-cost / epsilon).masked_fill(~(source_mask[:, :, None] & target_mask[:, None, :]), nothing)
    left, right = torch.zeros_like(cost[:, :, 0]), torch.zeros_like(cost[:, 0, :])
    for _ in range(iterations):
        left = (row_mass - (kernel + right[:, None, :]).logsumexp(dim=2)).masked_fill(~source_mask, nothing)
        right = (column_mass - (kernel + left[:, :, None]).logsumexp(dim=1)).masked_fill(~target_mask, nothing)
    return (kernel + left[:, :, None] + right[:, None, :]).exp()


@torch.no_grad()
def mutual_alignment(similarity: Tensor, source_mask: Tensor, target_mask: Tensor, iterations: int = 2) -> Tensor:
    """Align the words that choose each other after their similarities were balanced by Sinkhorn's iteration.

    Similarities that are not positive become 1e-6. Each iteration divides by the sums over the sentence, then by the
    sums over the translation; a word of the sentence chooses by the result, a word of the translation by what the last
    iteration had half-way.

    Source: XLM-Align (``word_aligner/xlmalign-ot-aligner.py``, 2 iterations).

    Args:
        similarity: Similarity of a pair of words, shape (B, m, n).
        source_mask: True for words, shape (B, m).
        target_mask: True for words, shape (B, n).
        iterations: Sinkhorn iterations; at least 1.

    Returns:
        True for aligned words, shape (B, m, n): at most one a row and column, none of them padding.
    """
    words = source_mask[:, :, None] & target_mask[:, None, :]
    by_source = torch.where(similarity > 0, similarity, 1e-6) * words
    by_target = by_source
    tiny = torch.finfo(similarity.dtype).tiny
    for _ in range(iterations):
        by_target = by_source / by_source.sum(dim=1, keepdim=True).clamp_min(tiny)
        by_source = by_target / by_target.sum(dim=2, keepdim=True).clamp_min(tiny)
    chosen = F.one_hot(by_source.argmax(dim=2), similarity.shape[2]).bool()
    choosing = F.one_hot(by_target.argmax(dim=1), similarity.shape[1]).bool().transpose(1, 2)
    return chosen & choosing & words


def _cosines(source: Tensor, target: Tensor) -> Tensor:
    return F.normalize(source, dim=-1) @ F.normalize(target, dim=-1).transpose(1, 2)
