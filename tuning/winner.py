"""From a search to a model: the best trials trained in full, the winner among them, and its model on all pictures."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.errors import UserError
from tuning.objectives import worth
from tuning.reports import Reports
from tuning.trial import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuning.trial import Study
    from tuning.trials import TrialRecord

BASE = "base recipe"
_RECIPE = "winner.json"


@dataclass(frozen=True)
class Confirmed:
    """A candidate, trained in full.

    Attributes:
        name: ``trial 12``, or the base recipe, which every candidate is compared with.
        chosen: The value of each parameter; empty for the base recipe.
        figures: The first objective for each seed; none where a run failed.
        reason: Why a run failed; empty if none did.
    """

    name: str
    chosen: dict[str, Any]
    figures: list[float]
    reason: str = ""

    @property
    def mean(self) -> float:
        """Mean over the seeds; NaN without a figure."""
        return float(np.mean(self.figures)) if self.figures else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; NaN with fewer than two."""
        return float(np.std(self.figures, ddof=1)) if len(self.figures) > 1 else math.nan

    @property
    def slug(self) -> str:
        """The name as a part of a path."""
        return self.name.replace(" ", "-")


def ranked(candidates: list[Confirmed], objective: str) -> list[Confirmed]:
    """Sort candidates, the best first: of equal ones the earlier, and those without a figure last."""
    return sorted(candidates, key=lambda one: math.inf if math.isnan(one.mean) else -worth(objective, one.mean))


def confirm(study: Study, best: list[TrialRecord]) -> Iterator[Confirmed]:
    """Train the base recipe and the best trials in full, the dev cut still kept back; what is done is not repeated.

    Args:
        study: The search.
        best: Its best trials; one that is the base recipe is not trained beside it.

    Yields:
        Each candidate when all its seeds are done, or one has failed.
    """
    base = study.space.defaults()
    candidates = [Confirmed(f"trial {trial.number}", trial.chosen, []) for trial in best if trial.chosen != base]
    for candidate in [Confirmed(BASE, {}, []), *candidates]:
        try:
            figures = [_trained(study, candidate, seed) for seed in study.space.confirm.seeds]
        except UserError as error:
            yield replace(candidate, reason=str(error))
        else:
            yield replace(candidate, figures=figures)


def final(study: Study, winner: Confirmed, name: str, evaluate_on: tuple[str | None, ...]) -> Path:
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
    if not any(optimiser.patience for optimiser in recipe.optimisers):
        recipe = recipe.model_copy(update={"dev_pictures": 0})
    folder = study.storage / "final" / name
    _give_way(folder, recipe.model_dump_json())
    _run(study, recipe.model_dump(), folder, evaluate_on)
    return folder / "model"


def _give_way(folder: Path, recipe: str) -> None:
    """Delete the run of an earlier winner of the same name; one of this recipe is gone on with."""
    file = folder / _RECIPE
    if not file.is_file() or file.read_text(encoding="utf-8") != recipe:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file.write_text(recipe, encoding="utf-8")


def _trained(study: Study, candidate: Confirmed, seed: int) -> float:
    folder = study.storage / "confirmed" / f"{candidate.slug}-seed{seed}"
    done = folder / "figures.json"
    if not done.is_file():
        recipe = study.space.recipe_of(candidate.chosen, study.space.confirm.changes | {"seed": seed})
        _run(study, recipe.model_dump(), folder, ())
        temporary = done.with_suffix(".tmp")
        temporary.write_text(json.dumps(Reports(folder).last()) + "\n", encoding="utf-8")
        temporary.replace(done)
    return float(json.loads(done.read_text(encoding="utf-8")).get(study.space.objectives[0], math.nan))


def _run(study: Study, recipe: dict[str, Any], folder: Path, evaluate_on: tuple[str | None, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reason = run(study.task(recipe, folder, evaluate_on), study, f"{folder.parent.name}-{folder.name}", [])
    if reason:
        raise UserError(f"The run in {folder} failed: {reason}")
