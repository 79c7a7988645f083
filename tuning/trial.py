"""One trial of a search: a Ray Train run of its recipe, started again where a worker dies."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ray import tune
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.tune.integration.ray_train import TuneReportCallback

from tuning.space_check import sentences
from tuning.task import FAILED, PHASE, PROGRESS, TRAINING_SECONDS, TRIAL, Task
from tuning.work import work

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.recipe import Recipe
    from tuning.space import Space

# A trial may wait this long for a network that another one trains.
_PATIENCE_SECONDS = 6 * 3600
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Resources:
    """What one trial takes of the cluster.

    Attributes:
        workers: Ray Train workers; each takes its share of a batch, and negatives are gathered from all.
        cpus: CPUs a worker, which are also its threads.
        gpus: GPUs a worker.
        retries: How often a run is started again whose workers died.
    """

    workers: int = 1
    cpus: int = 1
    gpus: float = 0
    retries: int = 3

    @property
    def scaling(self) -> ScalingConfig:
        """What Ray Train takes."""
        own = {"CPU": self.cpus, **({"GPU": self.gpus} if self.gpus else {})}
        return ScalingConfig(num_workers=self.workers, use_gpu=self.gpus > 0, resources_per_worker=own)


@dataclass(frozen=True)
class Study:
    """What all trials of a search have in common.

    Attributes:
        space: What may be tried.
        data: The corpus, as `trainer.corpus.read_corpus` takes it.
        storage: A folder that every node sees.
        resources: What one trial takes.
        share_networks: Whether trials share cross-lingual networks; not, to see what that saves.
    """

    space: Space
    data: str
    storage: Path
    resources: Resources
    share_networks: bool = True

    def folder(self, trial: int) -> Path:
        """The folder of a trial's run."""
        return self.storage / "trials" / str(trial) / "run"

    @property
    def networks(self) -> Path:
        """The folder of finished cross-lingual networks, which all trials share."""
        return self.storage / "networks"

    def task(self, recipe: dict[str, Any], folder: Path, evaluate_on: tuple[str | None, ...] = ()) -> Task:
        """Put together what the workers of a run need."""
        threads = 0 if self.resources.gpus else self.resources.cpus
        objectives = tuple(self.space.objectives)
        networks = self.networks if self.share_networks else folder / "networks"
        return Task(recipe, self.data, str(folder), str(networks), objectives, threads, evaluate_on)


def drive(config: dict[str, Any], study: Study) -> None:
    """Run one trial; Ray Tune calls this in a process of its own.

    A trial that cannot be trained reports NaN and its reason, and the search goes on.

    Args:
        config: The chosen values by parameter, and the trial's number.
        study: What all trials have in common.
    """
    chosen = dict(config)
    number = chosen.pop(TRIAL)
    folder = study.folder(number)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        recipe = study.space.recipe_of(chosen)
    except ValidationError as error:
        reason = f"The values do not go together: {sentences(error)}."
    else:
        reason = without_work(recipe, study.resources.workers) or run(
            study.task(recipe.model_dump(), folder), study, f"trial-{number}", [TuneReportCallback()]
        )
    if reason:
        figures = dict.fromkeys(study.space.objectives, math.nan)
        tune.report({**figures, PROGRESS: 100.0, PHASE: FAILED, TRAINING_SECONDS: 0.0, FAILED: reason})


def without_work(recipe: Recipe, workers: int) -> str:
    """Say so where a batch has fewer rows than there are workers; empty if every worker has some."""
    for settings in recipe.optimisers:
        if settings.epochs and settings.batch_size < workers:
            return f"A batch of {settings.batch_size} is too small for {workers} workers: raise batch_size."
    return ""


def run(task: Task, study: Study, name: str, callbacks: list[Any]) -> str:
    """Train on Ray, again where workers died, from the last checkpoint on.

    Args:
        task: What to train.
        study: Says on what.
        name: Names the run; the same name goes on with it.
        callbacks: Listen to the reports.

    Returns:
        Why it failed; empty if it did not.
    """
    # How often Ray looks at its workers, and so how long a report and an end take to be seen.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    # An earlier run in this folder may have left its own.
    task.reason.unlink(missing_ok=True)
    for attempt in range(study.resources.retries + 1):
        trainer = TorchTrainer(
            work,
            train_loop_config={"task": task},
            scaling_config=study.resources.scaling,
            torch_config=TorchConfig(timeout_s=_PATIENCE_SECONDS),
            # A name of its own for every attempt: what a run keeps is in its folder, not with Ray.
            run_config=RunConfig(
                name=f"{name}-{attempt}", storage_path=str(study.storage / "ray-train"), callbacks=callbacks
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            if task.reason.is_file():
                return task.reason.read_text(encoding="utf-8")
            last = error
        else:
            return ""
    return f"Its workers failed {study.resources.retries + 1} times, in the end with: {_last_line(last)}"


def _last_line(error: TrainingFailedError) -> str:
    """The line of a traceback that says what happened, without the colours that Ray gives it."""
    lines = [line.strip() for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
