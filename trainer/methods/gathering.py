"""Join the rows of all processes that train together."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gathered(*rows: Tensor) -> tuple[Tensor, ...]:
    """Join tensors of rows over the processes; gradients flow back to the rows' own process.

    Every process then computes the loss of the whole batch. Each row's gradient arrives once from every process, and
    averaging over the processes, as DDP does, leaves exactly the gradient of one process on the joined batch.

    Args:
        *rows: Tensors with the same number of rows; that number may differ between processes.

    Returns:
        The joined tensors, in the order of the processes; the tensors themselves where one process trains alone.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return rows
    counts = [torch.zeros_like(_count(rows[0])) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, _count(rows[0]))
    lengths = [int(count) for count in counts]
    return tuple(_joined(tensor, lengths) for tensor in rows)


def share(rows: int, device: torch.device) -> float:
    """Weigh a mean over this process's rows, so that averaging over the processes gives the mean over all rows.

    Args:
        rows: The rows of this process.
        device: Where the process computes.

    Returns:
        Its rows, divided by those of the average process; 1 where one process trains alone.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return 1.0
    total = torch.tensor(float(rows), device=device)
    dist.all_reduce(total)
    return rows * dist.get_world_size() / float(total)


def _count(tensor: Tensor) -> Tensor:
    return torch.tensor(len(tensor), device=tensor.device)


def _joined(tensor: Tensor, lengths: list[int]) -> Tensor:
    # Processes exchange tensors of one shape alone.
    missing = max(lengths) - len(tensor)
    padded = F.pad(tensor, [0, 0] * (tensor.ndim - 1) + [0, missing])
    parts = all_gather(padded.contiguous()) if tensor.is_floating_point() else _gathered_constants(padded)
    return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])


def _gathered_constants(tensor: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return parts
