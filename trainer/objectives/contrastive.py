"""Multi-positive InfoNCE between two sides of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def contrastive(a: Tensor, b: Tensor, groups: Tensor, temperature: float | Tensor) -> Tensor:
    """Pull the members of a group together across two sides and push all others apart, in both directions.

    ``L = 1/2B sum_i [ -sum_j y_ij log softmax_j(a_i b_j / t) - sum_j y_ij log softmax_j(b_i a_j / t) ]`` with
    ``y_ij = 1[g_i = g_j] / sum_k 1[g_i = g_k]``. With groups that are all different this is the loss of CLIP.

    Source: ``get_contrastive_loss`` of LECCR and CCLM. That CL2CM's sentence-level and matching losses take this form
    is our reading.

    Args:
        a: Unit vectors, shape (B, d).
        b: Unit vectors, shape (B, d); row i belongs to row i of ``a``.
        groups: Integers, shape (B,). Rows with the same number are positives of each other (captions of one picture),
            and so never negatives.
        temperature: Divides the cosine; above 0.

    Returns:
        The loss, a scalar, at least 0.
    """
    logits = a @ b.T / temperature
    positives = (groups[:, None] == groups[None, :]).to(logits.dtype)
    # The relation is symmetric, so the same rows serve both directions.
    targets = positives / positives.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
