"""What the stages of every method share: optimiser, order of batches, progress, checkpoints."""

from __future__ import annotations

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cl2cm_plugin.errors import UserError
from trainer.corpus.batches import PictureBatchSampler, seed_of
from trainer.methods.early_stopping import EarlyStopping
from trainer.methods.gathering import gathered
from trainer.methods.muon import Muon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from trainer.launch import Launch
    from trainer.recipe import Optimiser

_LAST = "last.ckpt"


class Stage(L.LightningModule):
    """A stage of training: a subclass says what the losses of a batch are.

    Args:
        title: What the progress bar says.
        optimiser: The stage's optimiser settings.
        seed: Reseeds dropout at every epoch, so that a run that was killed goes on exactly as it would have.
        items: What to train on, each with an attribute ``group``; no two of one group meet in a batch.
    """

    def __init__(self, title: str, optimiser: Optimiser, seed: int, items: Sequence[Any]) -> None:
        super().__init__()
        self.title = title
        self.optimiser = optimiser
        self.seed = seed
        self.items = items
        self.workers = 0
        self.latest_loss = math.nan
        self._first_epoch = 0

    def collate(self, items: list[Any]) -> dict[str, Any]:
        """Turn some items into the batch that `losses` takes."""
        raise NotImplementedError

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the weighted losses of a batch by name; training minimises their sum."""
        raise NotImplementedError

    def loader(self, process: int = 0, processes: int = 1) -> Iterable[Any]:
        """Give this process its share of the batches of an epoch."""
        groups = [item.group for item in self.items]
        batches = PictureBatchSampler(groups, self.optimiser.batch_size, self.seed, process, processes)
        return DataLoader(
            self.items,  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=self.collate,
            generator=batches.generator,
            num_workers=self.workers,
        )

    def train_dataloader(self) -> Iterable[Any]:
        """Load batches as Lightning asks for them."""
        loader: Any = self.loader(self.global_rank, self.trainer.world_size)
        # Workers draw their first batches before Lightning says with which epoch a run goes on.
        for one in loader.flattened if isinstance(loader, CombinedLoader) else [loader]:
            one.batch_sampler.set_epoch(self._first_epoch)
        return loader

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the epoch behind the checkpoint's: it was written at the end of one."""
        self._first_epoch = checkpoint["epoch"] + 1

    def text_parameters(self) -> list[nn.Parameter]:
        """List the parameters that learn at the text backbone's rate; those on no list learn at the projections'."""
        return []

    def image_parameters(self) -> list[nn.Parameter]:
        """List the parameters that learn at the image backbone's rate."""
        return []

    def gathered(self, *rows: Tensor) -> tuple[Tensor, ...]:
        """Join the rows of all processes that train together, so that each batch has everybody's negatives."""
        return gathered(*rows)

    def on_train_epoch_start(self) -> None:
        """Reseed, so that the dropout of an epoch does not depend on what ran before it."""
        torch.manual_seed(seed_of(self.seed, self.current_epoch, self.global_rank))

    def training_step(self, batch: dict[str, Any], _index: int) -> Tensor:
        """Sum the losses of one batch.

        Raises:
            UserError: The loss is not finite.
        """
        losses = self.losses(batch)
        total = torch.stack(list(losses.values())).sum()
        self.latest_loss = float(total.detach())
        if not math.isfinite(self.latest_loss):
            parts = ", ".join(f"{name} {float(value.detach()):.3g}" for name, value in losses.items())
            raise UserError(f"The loss of {self.title!r} is not finite ({parts}): lower the learning rate.")
        return total

    def configure_optimizers(self) -> Any:
        """A rate each for backbones and projections, linear warm-up and decay; vectors do not decay.

        Muon, where it is asked for, has the matrices of the backbones' layers; embeddings, convolutions, vectors and
        projections are AdamW's (the usual division).
        """
        settings = self.optimiser
        muon = settings.layers == "muon"
        towers = [
            (self.text_parameters(), settings.lr_backbone, muon),
            (self.image_parameters(), settings.lr_image_backbone, muon),
        ]
        known = {id(parameter) for parameters, _, _ in towers for parameter in parameters}
        others = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        embeddings = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
        groups = []
        for parameters, rate, orthogonal in [(others, settings.lr_projection, False), *towers]:
            by_kind: dict[tuple[bool, bool], list[nn.Parameter]] = {}
            for parameter in parameters:
                of_a_layer = orthogonal and parameter.ndim == 2 and id(parameter) not in embeddings
                by_kind.setdefault((of_a_layer, parameter.ndim > 1), []).append(parameter)
            for (of_a_layer, decays), kept in by_kind.items():
                # Biases and normalisation do not, as usual; it also keeps EfficientNet-Lite's neutral blocks neutral.
                decay = settings.weight_decay if decays else 0.0
                groups.append({"params": kept, "lr": rate, "weight_decay": decay, "orthogonal": of_a_layer})
        in_bfloat16 = self.trainer.precision == "bf16-mixed"
        optimiser = Muon(groups, dtype=torch.bfloat16 if in_bfloat16 else torch.float32)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _warm_up_and_decay(steps, settings.warmup))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(
    stage: Stage,
    folder: Path,
    launch: Launch,
    validate: Callable[[], float] | None = None,
    listeners: Sequence[Callback] = (),
) -> None:
    """Train a stage to its end, going on from its last checkpoint if there is one.

    Args:
        stage: The stage; afterwards it holds the trained weights, in eval mode.
        folder: Where the checkpoint of every epoch is kept; the last one alone.
        launch: The processes to train in.
        validate: Measures the stage as it stands, higher is better; needed where the optimiser has patience.
        listeners: Callbacks that do not change what is learned.
    """
    if stage.optimiser.epochs == 0:
        stage.eval()
        return
    last = folder / _LAST
    # Not `save_last`: without a best checkpoint beside it, Lightning writes that one only when all epochs are done.
    checkpoint = ModelCheckpoint(folder, last.stem, save_top_k=1, every_n_epochs=1, enable_version_counter=False)
    stopping = EarlyStopping(stage.optimiser.patience, validate) if validate and stage.optimiser.patience else None
    callbacks = [checkpoint, _StageProgress(), *([stopping] if stopping else []), *listeners]
    with warnings.catch_warnings():
        # Lightning advises on workers and logging; the loader's items are in memory already.
        warnings.simplefilter("ignore")
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        trainer = L.Trainer(
            **launch.trainer_options(),
            max_epochs=stage.optimiser.epochs,
            gradient_clip_val=stage.optimiser.clip,
            callbacks=callbacks,
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        # Lightning would leave modules that come from a loaded model in eval mode.
        stage.train()
        for part in stage.modules():
            if isinstance(part, Stage):
                part.workers = launch.compute.workers
        launch.prepared(trainer).fit(stage, ckpt_path=last if last.is_file() else None, weights_only=True)
    if stopping:
        stopping.restore(stage, last)
    stage.eval().cpu()


def _warm_up_and_decay(steps: int, share: float) -> Callable[[int], float]:
    """The learning rate's factor: up from 0 in a share of the steps, then down to 0."""
    warmup = max(1, round(share * steps))
    return lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))


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
