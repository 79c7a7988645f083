"""What each worker of a trial does: train the recipe together with the others, and report how it stands.

A run keeps everything in its folder, so a worker that Ray starts again goes on from the last epoch's checkpoint.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from ray import train
from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment, prepare_trainer
from ray.train.torch import get_device

from cl2cm_plugin.errors import UserError
from trainer.console import quiet_libraries
from trainer.launch import Launch, Phase
from trainer.recipe import Recipe
from tuning.objectives import measured
from tuning.reports import Reports
from tuning.task import (
    FINISHED,
    NETWORK_SECONDS,
    PHASE,
    PROGRESS,
    SHARED_PHASES,
    SUM_R,
    TEXTS_PER_SECOND,
    TRAINING_SECONDS,
    Task,
)
from tuning.training_on import train as train_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import lightning as L

    from trainer.evaluation.retrieval import Retrieval
    from trainer.fit import Run

_TEXTS_TIMED = 512
_REPORTS_A_PHASE = 10
# What torch says where the memory of the machine, not of a GPU, is used up.
_NO_MEMORY = "can't allocate memory"


def train_task(task: Task) -> None:
    """Train in one of the workers.

    Args:
        task: What to train.

    Raises:
        UserError: It cannot be trained; the task's reason says why.
    """
    quiet_libraries()
    if task.threads:
        torch.set_num_threads(task.threads)
    try:
        _train(task)
    except (UserError, MemoryError, RuntimeError) as error:
        if sentence := _sentence(error):
            # Trying again would end in the same; the driver reads this, and does not.
            task.reason.write_text(sentence, encoding="utf-8")
        raise


def _sentence(error: Exception) -> str:
    """Say what a run failed of; empty where it may have been somebody else, as a worker beside it that died."""
    said = str(error).strip().splitlines()
    if isinstance(error, UserError):
        return " ".join(said)
    if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and _NO_MEMORY not in str(error):
        return ""
    where = f": {said[0].rstrip('.')}" if said else ""
    return f"Out of memory{where}. Try a smaller batch_size."


def _train(task: Task) -> None:
    recipe = Recipe.model_validate(task.recipe)
    launch = RayLaunch(recipe, Path(task.folder), task.objectives)
    launch.report_end(train_on(recipe, task, launch))


class RayLaunch(Launch):
    """Training in the workers that Ray Train started.

    Args:
        recipe: The recipe in training.
        folder: The run's folder, where the first worker notes every report.
        objectives: The figures that the search aims at.
    """

    def __init__(self, recipe: Recipe, folder: Path, objectives: Sequence[str] = (SUM_R,)) -> None:
        super().__init__(recipe.compute)
        self._recipe, self._objectives = recipe, objectives
        self._reports = Reports(folder)
        self.network_clock, self.clock = Clock(), Clock(self._reports.last().get(TRAINING_SECONDS, 0.0))
        self.is_first = train.get_context().get_world_rank() == 0

    def trainer_options(self) -> dict[str, Any]:
        """Give Lightning's trainer the processes that are there."""
        return super().trainer_options() | {
            # Those that Ray gave this worker; Lightning would take a GPU that it sees.
            "accelerator": get_device().type,
            "devices": "auto",
            "strategy": RayDDPStrategy(),
            "plugins": [RayLightningEnvironment()],
        }

    def prepared(self, trainer: L.Trainer) -> L.Trainer:
        """Let Ray check the trainer."""
        return prepare_trainer(trainer)

    def callbacks(self, phase: Phase) -> list[Callback]:
        """Report the figures of phases in which pictures and texts can be compared, if a dev cut is there for it."""
        clocks: list[Callback] = [self.clock, *([self.network_clock] if phase.name in SHARED_PHASES else [])]
        return [*clocks, _Reporting(self, phase)] if phase.measure and self._recipe.dev_pictures else clocks

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Let the first worker through alone, then the others."""
        if not self.is_first:
            _wait_for_all()
        yield
        if self.is_first:
            _wait_for_all()

    @contextmanager
    def alone(self, file: Path) -> Iterator[None]:
        """Keep other runs out; the first worker holds the lock for all."""
        if not self.is_first:
            _wait_for_all()
            yield
            _wait_for_all()
            return
        with super().alone(file):
            _wait_for_all()
            yield
            _wait_for_all()

    def report(self, phase: Phase, share: float, found: dict[str, Retrieval]) -> None:
        """Tell the search how a phase stands; every worker does so at the same time.

        Args:
            phase: The phase.
            share: How much of it is done, from 0 to 1.
            found: What was measured on the dev cut by language.
        """
        progress = 100 * (phase.number - 1 + share) / phase.of
        targets = self._recipe.target_languages or [self._recipe.source_language]
        metrics: dict[str, Any] = {PROGRESS: progress, PHASE: phase.name, TEXTS_PER_SECOND: math.nan}
        wanted = dict.fromkeys([SUM_R, *(f"{SUM_R}.{language}" for language in found), *self._objectives])
        metrics |= {name: measured(name, found, targets) for name in wanted if name != TEXTS_PER_SECOND}
        metrics[NETWORK_SECONDS] = round(self.network_clock.seconds, 1)
        metrics[TRAINING_SECONDS] = round(self.clock.seconds, 1)
        if self.is_first:
            self._reports.add(metrics)
        train.report(metrics)

    def report_end(self, run: Run) -> None:
        """Tell the search the figures of the finished run."""
        known = self._reports.best_of_last_phase() if self.keeps_best else self._reports.last()
        # A search wants each of its objectives, also of a run in which nothing could be measured.
        metrics = dict.fromkeys(self._objectives, math.nan) | known | {PROGRESS: 100.0, PHASE: FINISHED}
        metrics[TRAINING_SECONDS] = round(self.clock.seconds, 1)
        if TEXTS_PER_SECOND in self._objectives and self.is_first:
            metrics[TEXTS_PER_SECOND] = _texts_per_second(run)
        if self.is_first:
            self._reports.add(metrics)
        train.report(metrics)

    @property
    def keeps_best(self) -> bool:
        """Whether the last phase keeps its best epoch, not its last."""
        stage_2 = self._recipe.cross_modal
        last = stage_2.optimiser if stage_2.optimiser.epochs else stage_2.projections_first
        return last.patience > 0


class Clock(Callback):
    """Counts the seconds of training in the phases that it listens to.

    Args:
        counted: Seconds that were counted before.
    """

    def __init__(self, counted: float = 0.0) -> None:
        self._counted, self._began = counted, math.nan

    @property
    def seconds(self) -> float:
        """Seconds so far, those of a phase that is not at its end included."""
        running = 0.0 if math.isnan(self._began) else time.perf_counter() - self._began
        return self._counted + running

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A phase begins."""
        self._began = time.perf_counter()

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A phase ends."""
        self._counted, self._began = self.seconds, math.nan


class _Reporting(Callback):
    """Measure and report ten times a phase, after epochs: a report takes Ray longer than a short epoch takes.

    Where a run keeps its best epoch, every epoch is reported: any of them may be the one.
    """

    def __init__(self, launch: RayLaunch, phase: Phase) -> None:
        self._launch, self._phase = launch, phase

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epochs, done = trainer.max_epochs or 1, trainer.current_epoch + 1
        is_tenth = _REPORTS_A_PHASE * done // epochs > _REPORTS_A_PHASE * (done - 1) // epochs
        if not is_tenth and not self._launch.keeps_best:
            return
        assert self._phase.measure is not None
        pl_module.eval()
        figures = self._phase.measure()
        pl_module.train()
        self._launch.report(self._phase, done / epochs, figures)


def _wait_for_all() -> None:
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()


def _texts_per_second(run: Run) -> float:
    """Encode captions of the usual length with the finished model, in this worker's threads."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(run.model), device="cpu", local_files_only=True)
    texts = [{"text": f"a photograph of number {number} on a table in the garden"} for number in range(_TEXTS_TIMED)]
    model.encode(texts[:32])
    start = time.perf_counter()
    model.encode(texts, batch_size=32)
    return _TEXTS_TIMED / (time.perf_counter() - start)
