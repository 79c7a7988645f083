"""Muon for the weight matrices of trained layers, AdamW for everything else, as one optimiser.

Momentum is made orthogonal before it is applied (Jordan et al. 2024, "Muon: an optimizer for hidden layers"), at the
scale that lets it take AdamW's learning rates (Liu et al. 2025, "Muon is scalable for LLM training"). torch has Muon
too, but always computes in bfloat16, which takes ten times a training step where the CPU has to emulate it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

_MOMENTUM = 0.95
_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_SMALLEST_NORM = 1e-7


class Muon(torch.optim.AdamW):
    """AdamW whose groups of matrices with ``orthogonal: True`` are updated by Muon instead.

    Args:
        groups: The groups of parameters.
        dtype: What matrices are made orthogonal in: ``torch.bfloat16`` where the hardware multiplies in it.
        defaults: AdamW's own arguments.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], *, dtype: torch.dtype = torch.float32, **defaults: Any
    ) -> None:
        super().__init__(groups, **defaults)
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; those of Muon's groups have none afterwards."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group.get("orthogonal"):
                for parameter in group["params"]:
                    self._update(parameter, group["lr"], group["weight_decay"])
        super().step()
        return loss

    def _update(self, parameter: Tensor, rate: float, weight_decay: float) -> None:
        if parameter.grad is None:
            return
        state = self.state[parameter]
        if not state:
            # AdamW looks for its count of steps in every state that it loads.
            state["step"] = torch.tensor(0.0)
            state["momentum"] = torch.zeros_like(parameter)
        state["step"] += 1
        state["momentum"].lerp_(parameter.grad, 1 - _MOMENTUM)
        update = orthogonalised(parameter.grad.lerp(state["momentum"], _MOMENTUM), self._dtype)
        parameter.mul_(1 - rate * weight_decay)
        # The root mean square that AdamW's updates usually have.
        parameter.add_(update, alpha=-rate * 0.2 * max(parameter.shape) ** 0.5)
        # What has no gradient is none of AdamW's business.
        parameter.grad = None


def orthogonalised(matrix: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Bring all singular values of a matrix close to 1 by Newton-Schulz iterations, keeping its singular vectors.

    Args:
        matrix: Shape (m, n).
        dtype: What it is computed in.

    Returns:
        Shape (m, n), in that type; singular values roughly between 0.7 and 1.2, 0 where they were 0.
    """
    a, b, c = _COEFFICIENTS
    rows = matrix.float() if len(matrix) <= matrix.shape[1] else matrix.float().T
    rows = (rows / rows.norm().clamp(min=_SMALLEST_NORM)).to(dtype)
    for _ in range(_ITERATIONS):
        gram = rows @ rows.T
        rows = torch.addmm(rows, torch.addmm(gram, gram, gram, beta=b, alpha=c), rows, beta=a)
    return rows if len(matrix) <= matrix.shape[1] else rows.T
