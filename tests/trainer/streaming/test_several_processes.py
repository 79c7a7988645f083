"""Processes that read their own shards get the losses and the gradients of one process on the joined batch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from cl2cm_plugin.encoder import two_tower
from trainer.recipe import Recipe
from trainer.streaming import shards
from trainer.streaming.items import CaptionedPictures, SentencePairs
from trainer.streaming.networks import Stream, StreamedCrossLingual, StreamedCrossModal
from trainer.streaming.pixels import PictureOpener
from trainer.streaming.shards import Turn
from trainer.streaming.towers import StreamedImage, StreamedText, Tokens


def network_of(stage: int, recipe: Recipe, folder: Path) -> Any:
    torch.manual_seed(0)
    backbones = (Path(recipe.model.text), Path(recipe.model.image))
    model = two_tower.build(*backbones, recipe.model.dimensions, recipe.model.max_tokens)
    text = StreamedText(model, recipe.model.trained_layers, recipe.model.text_dropout)
    image = StreamedImage(model, recipe.model.trained_image_layers, recipe.cross_modal.feature_dropout)
    opened = shards.read(folder)
    if stage == 1:
        pairs = SentencePairs(opened.pairs, recipe)
        stream = Stream(pairs, pairs.count(Turn(0, 0))[""])
        return StreamedCrossLingual(text, recipe.cross_lingual, Tokens(model), 0, stream).train()
    pictures = CaptionedPictures(opened.pictures, recipe)
    opener = PictureOpener(two_tower.image_route(model)[0], folder, augmented=True)
    stream = Stream(pictures, pictures.count(Turn(0, 0))[""])
    teacher = text.frozen_copy()
    return StreamedCrossModal(text, image, recipe.cross_modal, Tokens(model), 0, stream, opener, teacher).train()


class Total(torch.nn.Module):
    """What a step minimises, as a module that DDP can wrap."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Any]) -> torch.Tensor:
        return torch.stack(list(self.network.losses(batch).values())).sum()


def one_process(rank: int, cases: dict[str, tuple[int, str]], values: dict[str, Any], folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    for name, (stage, corpus) in cases.items():
        network = network_of(stage, Recipe.model_validate(values), Path(corpus))
        total = DistributedDataParallel(Total(network))
        found = []
        for batch in network.loader(rank, 2):
            total.zero_grad()
            loss = total(batch)
            loss.backward()
            gradients = {name: p.grad.clone() for name, p in network.named_parameters() if p.requires_grad}
            found.append({"loss": loss.detach(), "gradients": gradients, "rows": len(batch["group"])})
        torch.save(found, f"{folder}/{name}-{rank}.pt")
    dist.destroy_process_group()


def test_losses_and_gradients_are_those_of_one_process(recipe_of, sharded, tmp_path, damage, write_pairs):
    recipe = recipe_of(
        model={"trained_layers": 2, "trained_image_layers": 1, "text_dropout": 0},
        cross_modal={"feature_dropout": 0, "temperature": {"start": 0.07, "learnable": True}},
    )
    damaged, uneven = (shutil.copytree(sharded, tmp_path / name) for name in ("damaged", "uneven"))
    # All that one process has, and nothing of what the other has.
    damage(damaged, {row["media_id"] for row in shards.read(damaged).pictures.rows(Turn(0, 0, 0, 2))})
    # Five of the six shards are in a language that the recipe does not learn: one process has no rows at all.
    for file in sorted((uneven / "pairs").iterdir())[1:]:
        write_pairs(file, [("red", "rouge")], language="fr")
    cases = {"1": (1, sharded), "2": (2, sharded), "damaged": (2, damaged), "uneven": (1, uneven)}
    arguments = ({name: (stage, str(folder)) for name, (stage, folder) in cases.items()}, recipe.model_dump())
    # Not forked: whatever ran a backward pass here before has left threads that a fork does not carry over.
    mp.start_processes(one_process, args=(*arguments, str(tmp_path)), nprocs=2, start_method="spawn")

    for name, (stage, folder) in cases.items():
        found = [torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True) for rank in range(2)]
        _compare(network_of(stage, recipe, folder), stage, found)
        idle = [step for of_one in found for step in of_one if step["rows"] == 0]
        assert bool(idle) == (name in ("damaged", "uneven"))


def _compare(network: Any, stage: int, found: list[list[dict[str, Any]]]) -> None:
    opened = network._opened if stage == 2 else lambda pair: pair
    batches = [network._stream.batches(4, 0, process, 2) for process in range(2)]
    assert network._stream.items.table.comes_apart(2)
    assert len(found[0]) == len(found[1]) == len(batches[0])
    for step, shares in enumerate(zip(*batches, strict=True)):
        network.zero_grad()
        loss = Total(network)(network.collate([opened(item) for share in shares for item in share]))
        loss.backward()
        # What words lose stays in their process; gradients are averaged, and so is this.
        average = torch.stack([of_one[step]["loss"] for of_one in found]).mean()
        torch.testing.assert_close(average, loss.detach(), atol=1e-5, rtol=1e-5)
        for of_one in found:
            for name, parameter in network.named_parameters():
                if parameter.requires_grad:
                    gradient = of_one[step]["gradients"][name]
                    largest = max(1.0, float(parameter.grad.abs().max()))
                    torch.testing.assert_close(gradient / largest, parameter.grad / largest, atol=1e-5, rtol=0)
