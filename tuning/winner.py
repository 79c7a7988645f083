"""From a search to a model: the best trials trained in full, the winner among them, and its model on all pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.errors import UserError
from tuning.reports import Reports
from tuning.trial import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuning.trial import Study
    from tuning.trials import TrialRecord

BASE = "base recipe"


@dataclass(frozen=True)
class Confirmed:
    """A candidate, trained in full.

    Attributes:
        name: ``trial 12``, or the base recipe, which every candidate is compared with.
        chosen: The value of each parameter; empty for the base recipe.
        figures: The first objective for each seed.
    """

    name: str
    chosen: dict[str, Any]
    figures: list[float]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.figures))

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; 0 with one seed."""
        return float(np.std(self.figures, ddof=1)) if len(self.figures) > 1 else 0.0


def confirm(study: Study, best: list[TrialRecord]) -> Iterator[Confirmed]:
    """Train the base recipe and the best trials in full, the dev cut still kept back; what is done is not repeated.

    Args:
        study: The search.
        best: Its best trials.

    Yields:
        Each candidate when all its seeds are done.

    Raises:
        UserError: A run fails.
    """
    for name, chosen in [(BASE, {}), *((f"trial {trial.number}", trial.chosen) for trial in best)]:
        figures = [_trained(study, name, chosen, seed) for seed in study.space.confirm.seeds]
        yield Confirmed(name, chosen, figures)


def final(study: Study, winner: Confirmed, name: str, evaluate_on: tuple[str, ...]) -> Path:
    """Train a winner's recipe on all pictures of the split, also those that it was chosen by.

    Args:
        study: The search.
        winner: What to train.
        name: The model's name.
        evaluate_on: Splits whose figures go into the model's card.

    Returns:
        The model folder.

    Raises:
        UserError: The run fails.
    """
    changes = study.space.confirm.changes | {"name": name, "seed": study.space.confirm.seeds[0]}
    recipe = study.space.recipe_of(winner.chosen, changes)
    phases = (recipe.cross_lingual.optimiser, recipe.cross_modal.projections_first, recipe.cross_modal.optimiser)
    if not any(phase.patience for phase in phases):
        recipe = recipe.model_copy(update={"dev_pictures": 0})
    folder = study.storage / "final" / name
    _run(study, recipe.model_dump(), folder, evaluate_on)
    return folder / "model"


def _trained(study: Study, name: str, chosen: dict[str, Any], seed: int) -> float:
    folder = study.storage / "confirmed" / f"{name.replace(' ', '-')}-seed{seed}"
    done = folder / "figures.json"
    if not done.is_file():
        recipe = study.space.recipe_of(chosen, study.space.confirm.changes | {"seed": seed})
        _run(study, recipe.model_dump(), folder, ())
        done.write_text(json.dumps(Reports(folder).last()) + "\n", encoding="utf-8")
    return float(json.loads(done.read_text(encoding="utf-8"))[study.space.objectives[0]])


def _run(study: Study, recipe: dict[str, Any], folder: Path, evaluate_on: tuple[str, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reason = run(study.task(recipe, folder, evaluate_on), study, f"{folder.parent.name}-{folder.name}", [])
    if reason:
        raise UserError(f"The run in {folder} failed: {reason}")
