"""Word-level alignment of a sentence and its translation by optimal transport."""

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
    cost = 1 - F.normalize(source, dim=-1) @ F.normalize(target, dim=-1).transpose(1, 2)
    plan = transport_plan(cost.detach(), source_mask, target_mask, beta, iterations)
    return (plan * cost).sum(dim=(1, 2)).mean()


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
