"""What the stages of every method share: optimiser, order of batches, progress, checkpoints."""

from __future__ import annotations

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cl2cm_plugin.errors import UserError
from trainer.corpus.batches import PictureBatchSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainer.recipe import Optimiser

_LAST = "last.ckpt"


class Stage(L.LightningModule):
    """A stage of training: a subclass says what the losses of a batch are.

    Args:
        title: What the progress bar says.
        optimiser: The stage's optimiser settings.
        seed: Reseeds dropout at every epoch, so that a run that was killed goes on exactly as it would have.
    """

    def __init__(self, title: str, optimiser: Optimiser, seed: int) -> None:
        super().__init__()
        self.title = title
        self.optimiser = optimiser
        self.seed = seed
        self.latest_loss = math.nan

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the weighted losses of a batch by name; training minimises their sum."""
        raise NotImplementedError

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters that learn at the backbone's rate; all others learn at the projections'."""
        return []

    def on_train_epoch_start(self) -> None:
        """Reseed, so that the dropout of an epoch does not depend on what ran before it."""
        torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: dict[str, Any], _index: int) -> Tensor:
        """Sum the losses of one batch.

        Raises:
            UserError: The loss is not finite.
        """
        losses = self.losses(batch)
        total = torch.stack(list(losses.values())).sum()
        self.latest_loss = float(total)
        if not math.isfinite(self.latest_loss):
            parts = ", ".join(f"{name} {float(value):.3g}" for name, value in losses.items())
            raise UserError(f"The loss of {self.title!r} is not finite ({parts}): lower the learning rate.")
        return total

    def configure_optimizers(self) -> Any:
        """AdamW, a rate each for backbone and projections, linear warm-up and decay."""
        backbone = self.backbone_parameters()
        known = {id(parameter) for parameter in backbone}
        others = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        groups = [{"params": others, "lr": self.optimiser.lr_projection}]
        if backbone:
            groups.append({"params": backbone, "lr": self.optimiser.lr_backbone})
        optimiser = torch.optim.AdamW(groups, weight_decay=self.optimiser.weight_decay)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        warmup = max(1, round(self.optimiser.warmup * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(stage: Stage, items: Sequence[Any], collate: Callable[[list[Any]], dict[str, Any]], folder: Path) -> None:
    """Train a stage to its end, going on from its last checkpoint if there is one.

    Args:
        stage: The stage; afterwards it holds the trained weights, in eval mode.
        items: Training items with an attribute ``group``; no two of one group meet in a batch.
        collate: Turns some items into the batch that ``stage.losses`` takes.
        folder: Where the checkpoint of every epoch is kept; the last one alone.
    """
    if stage.optimiser.epochs == 0:
        stage.eval()
        return
    sampler = PictureBatchSampler([item.group for item in items], stage.optimiser.batch_size, stage.seed)
    # A generator of its own: its iterator draws from it before the first epoch of a run that goes on, else after.
    loader: DataLoader[Any] = DataLoader(
        items,  # type: ignore[arg-type]
        batch_sampler=sampler,
        collate_fn=collate,
        generator=torch.Generator(),
    )
    last = folder / _LAST
    # Not `save_last`: without a best checkpoint beside it, Lightning writes that one only when all epochs are done.
    checkpoint = ModelCheckpoint(folder, last.stem, save_top_k=1, every_n_epochs=1, enable_version_counter=False)
    with warnings.catch_warnings():
        # Lightning advises on workers and logging; the loader's items are in memory already.
        warnings.simplefilter("ignore")
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        trainer = L.Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=stage.optimiser.epochs,
            gradient_clip_val=stage.optimiser.clip,
            callbacks=[checkpoint, _StageProgress()],
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
        )
        # Lightning would leave modules that come from a loaded model in eval mode.
        stage.train()
        trainer.fit(stage, loader, ckpt_path=last if last.is_file() else None, weights_only=True)
    stage.eval().cpu()


class _StageProgress(Callback):
    """One bar for all epochs of a stage."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"))
        self._task = self._progress.add_task("", loss=math.nan)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._progress.update(
            self._task,
            description=getattr(pl_module, "title", ""),
            total=trainer.estimated_stepping_batches,
            completed=trainer.global_step,
        )
        self._progress.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = getattr(pl_module, "latest_loss", math.nan)
        self._progress.update(self._task, completed=trainer.global_step, loss=loss)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._progress.stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._progress.stop()
