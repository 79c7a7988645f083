"""A stage with patience stops when the dev cut stops gaining, keeps its best epoch, and survives a kill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from trainer.launch import Launch
from trainer.methods.stage import Stage, train
from trainer.recipe import Compute, Optimiser


@dataclass
class Item:
    group: int


class Counting(Stage):
    """Its one weight grows by about the learning rate a step."""

    def __init__(self, epochs: int = 20, patience: int = 3) -> None:
        optimiser = Optimiser(epochs=epochs, patience=patience, batch_size=2, lr_projection=0.1, warmup=0)
        super().__init__("counting", optimiser, 0, [Item(group) for group in range(4)])
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def collate(self, items: list[Item]) -> dict[str, Any]:
        return {"count": len(items)}

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        return {"loss": -self.weight.sum()}


def run(folder, figures: list[float], **settings: Any) -> tuple[Counting, list[float]]:
    """Train with given figures of the dev cut; returns the stage, and its weight after each epoch."""
    stage, weights = Counting(**settings), []

    def validate() -> float:
        assert not stage.training
        weights.append(float(stage.weight.detach()))
        return figures[len(weights) - 1]

    train(stage, folder, Launch(Compute()), validate)
    return stage, weights


def test_training_stops_after_the_patience_and_keeps_the_best_epoch(tmp_path):
    stage, weights = run(tmp_path, [1, 5, 4, 5, 3, 9, 9], patience=3)

    assert len(weights) == 5
    assert float(stage.weight.detach()) == pytest.approx(weights[1])
    assert weights[1] < weights[4]


def test_training_that_always_gains_goes_on_to_the_end(tmp_path):
    stage, weights = run(tmp_path, list(range(9)), epochs=6, patience=1)

    assert len(weights) == 6
    assert float(stage.weight.detach()) == pytest.approx(weights[-1])


def test_without_patience_nothing_is_measured(tmp_path):
    _, weights = run(tmp_path, [], epochs=2, patience=0)

    assert weights == []


def test_a_stage_that_had_stopped_trains_no_more(tmp_path):
    stopped, _ = run(tmp_path, [1, 5, 4, 3], patience=2)
    again, weights = run(tmp_path, [9], patience=2)

    assert weights == []
    torch.testing.assert_close(again.weight, stopped.weight)


def test_a_killed_stage_knows_its_best_epoch(tmp_path):
    class Killed(BaseException):
        pass

    whole, _ = run(tmp_path / "whole", [3, 9, 1, 1, 1, 1], patience=3)
    figures = iter([3, 9])

    def dying() -> float:
        try:
            return next(figures)
        except StopIteration:
            raise Killed from None

    with pytest.raises((Killed, SystemExit)):
        train(Counting(), tmp_path / "killed", Launch(Compute()), dying)
    resumed = Counting()
    train(resumed, tmp_path / "killed", Launch(Compute()), lambda: 1.0)

    torch.testing.assert_close(resumed.weight, whole.weight)
