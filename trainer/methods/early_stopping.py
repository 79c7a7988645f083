"""Stop a stage when the dev cut stops gaining, and keep its best epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import lightning as L
    from torch import Tensor


class EarlyStopping(Callback):
    """Measure a stage after every epoch; stop after some without a gain.

    Lightning's own callback watches logged metrics of a validation loop; retrieval is measured on all pictures at
    once instead. The best epoch's trained weights are part of the stage's checkpoint, so a run that was killed knows
    them.

    Args:
        patience: Epochs without a gain after which training stops.
        validate: Measures the stage as it stands; higher is better.
    """

    def __init__(self, patience: int, validate: Callable[[], float]) -> None:
        self._patience, self._validate = patience, validate
        self._best, self._since = -math.inf, 0
        self._weights: dict[str, Tensor] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Train no more where an earlier process had stopped: a checkpoint does not say that it was the last."""
        trainer.should_stop = trainer.should_stop or self._since >= self._patience

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure, and stop if there was no gain for long enough."""
        pl_module.eval()
        figure = self._validate()
        pl_module.train()
        self._since += 1
        if figure > self._best:
            self._best, self._since = figure, 0
            self._weights = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}
        # Processes on different processors may round differently; none may wait for another that has stopped.
        stops = trainer.strategy.reduce_boolean_decision(self._since >= self._patience, all=False)
        trainer.should_stop = trainer.should_stop or stops

    def restore(self, stage: L.LightningModule, checkpoint: Path) -> None:
        """Give a stage the weights of its best epoch.

        Args:
            stage: The stage.
            checkpoint: That of its last epoch: the process that trained may have been another one.
        """
        kept = torch.load(checkpoint, map_location="cpu", weights_only=True)["callbacks"][self.state_key]
        stage.load_state_dict(kept["weights"])

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this."""
        return {"best": self._best, "since": self._since, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._best, self._since = state_dict["best"], state_dict["since"]
        self._weights = state_dict["weights"]
