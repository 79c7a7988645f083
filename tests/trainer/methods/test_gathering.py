"""Processes that train together get the loss and the gradients of one process on the joined batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

from trainer.methods.gathering import gathered
from trainer.objectives.contrastive import contrastive

if TYPE_CHECKING:
    from pathlib import Path

INPUT = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
OTHER = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
GROUPS = torch.tensor([0, 1, 2, 3, 4, 5, 0])


def network() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(5, 3)


def loss_of(weights: torch.nn.Module, rows: slice) -> torch.Tensor:
    a, b = (F.normalize(weights(side[rows]), dim=-1) for side in (INPUT, OTHER))
    return contrastive(*gathered(a, b, GROUPS[rows]), 0.1)


def one_process(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    weights = torch.nn.parallel.DistributedDataParallel(network())
    # Shares of unequal size: four rows and three.
    loss = loss_of(weights, slice(rank, None, 2))
    loss.backward()
    gradients = [parameter.grad for parameter in weights.parameters()]
    torch.save({"loss": loss.detach(), "gradients": gradients}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_loss_and_gradients_equal_those_of_one_process(tmp_path: Path):
    # Not forked: whatever ran a backward pass here before has left threads that a fork does not carry over.
    mp.start_processes(one_process, args=(str(tmp_path),), nprocs=2, start_method="spawn")

    alone = network()
    # One process would hold the rows in the order of the processes.
    order = torch.cat([torch.arange(0, 7, 2), torch.arange(1, 7, 2)])
    a, b = (F.normalize(alone(side[order]), dim=-1) for side in (INPUT, OTHER))
    loss = contrastive(a, b, GROUPS[order], 0.1)
    loss.backward()
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found["loss"], loss.detach(), atol=1e-5, rtol=1e-5)
        for gradient, parameter in zip(found["gradients"], alone.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad, atol=1e-5, rtol=1e-5)


def test_one_process_gathers_nothing():
    rows = torch.ones(2, 3)

    assert gathered(rows)[0] is rows


@pytest.mark.parametrize(
    ("choice", "name"), [("float32", "32-true"), ("bfloat16", "bf16-mixed"), ("float16", "16-mixed")]
)
def test_every_precision_has_lightnings_name(choice, name):
    from trainer.methods.precision import lightning_precision

    assert lightning_precision(choice) == name
