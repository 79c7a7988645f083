"""Encoding that processes share gives each of them what one process computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from trainer.evaluation.retrieval import evaluate
from trainer.evaluation.together import together

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = torch.nn.functional.normalize(torch.randn(7, 4, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
CAPTIONS = [f"{row}" for row in (0, 3, 3, 6, 1, 2, 5, 4, 0)]


def encode(names: list[str]) -> np.ndarray:
    return np.stack([VECTORS[int(name)] for name in names])


def one_process(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    asked: list[str] = []
    shared = together(lambda names: (asked.extend(names), encode(names))[1])
    names = [f"{row}" for row in range(7)]
    pictures, captions, one = shared(names), shared(CAPTIONS), shared(["5"])
    figures = evaluate(pictures, captions + 0.3, [int(name) for name in CAPTIONS]).as_dict()
    torch.save(
        {"pictures": pictures, "captions": captions, "one": one, "asked": asked, "figures": figures},
        f"{folder}/{rank}.pt",
    )
    dist.destroy_process_group()


def test_every_process_gets_all_vectors_and_the_same_figures_and_encodes_its_share(tmp_path: Path):
    mp.start_processes(one_process, args=(str(tmp_path),), nprocs=2, start_method="spawn")

    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(2)]
    for of_one in found:
        np.testing.assert_array_equal(of_one["pictures"], VECTORS)
        np.testing.assert_array_equal(of_one["captions"], encode(CAPTIONS))
        np.testing.assert_array_equal(of_one["one"], VECTORS[5:6])
        alone = evaluate(VECTORS, encode(CAPTIONS) + 0.3, [int(name) for name in CAPTIONS]).as_dict()
        assert of_one["figures"] == alone
    # Fewer than the processes are not worth sharing.
    assert found[0]["asked"] == ["0", "2", "4", "6", "0", "3", "1", "5", "0", "5"]
    assert found[1]["asked"] == ["1", "3", "5", "3", "6", "2", "4", "5"]


def test_one_process_encodes_all():
    np.testing.assert_array_equal(together(encode)(CAPTIONS), encode(CAPTIONS))
