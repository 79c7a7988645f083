"""Hinge on the hardest negative between two sides of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


def hardest_negative_hinge(
    a: Tensor, b: Tensor, groups: Tensor, margin: float = 0.2, reduction: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """Ask that a pair is more similar, by a margin, than its hardest negative in the batch, in both directions.

    ``L = sum_i [margin - a_i b_i + max_j a_i b_j]_+ + [margin - a_i b_i + max_j a_j b_i]_+`` with ``j`` over the rows
    of other groups. Without such a row the loss is 0.

    Source: NRCCR's ``TripletLoss`` with ``max_violation`` (margin 0.2, ``sum``), there with groups that are all
    different. That CL2CM's sentence level or matching takes this form is one of our readings, the other is
    ``contrastive``.

    Args:
        a: Unit vectors, shape (B, d).
        b: Unit vectors, shape (B, d); row i belongs to row i of ``a``.
        groups: Integers, shape (B,). Rows with the same number (captions of one picture) are never negatives.
        margin: Cosine by which a pair must be ahead; above 0.
        reduction: ``sum`` over the batch, as NRCCR has it, or ``mean``, which does not grow with the batch.

    Returns:
        The loss, a scalar, at least 0.
    """
    similarities = a @ b.T
    pairs = similarities.diagonal()
    positives = groups[:, None] == groups[None, :]
    # Violations are at least 0, so that a 0 in the place of a positive never is the hardest.
    rows = (margin - pairs[:, None] + similarities).clamp_min(0).masked_fill(positives, 0).amax(dim=1)
    columns = (margin - pairs[None, :] + similarities).clamp_min(0).masked_fill(positives, 0).amax(dim=0)
    violations = rows + columns
    return violations.sum() if reduction == "sum" else violations.mean()
