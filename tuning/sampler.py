"""Optuna's sampler as Ray Tune asks it: first for trials that had not ended, and knowing what others have found."""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from tuning.objectives import direction, lower_is_better
from tuning.task import FAILED, TRIAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuning.space import Space
    from tuning.trials import TrialRecord, Trials

_SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
_STUDY = "search"


class Sampler(OptunaSearch):
    """Optuna's sampler, which also numbers the trials that it proposes.

    It learns from trials that have ended with every objective's figure, and proposes the values of those that have not
    ended first, under their own numbers. The first trial of a search is the base recipe, where the space has it: what
    every other one is compared with.

    Args:
        space: What may be tried.
        trials: What the search has had.
        wanted: How many trials will be asked for.
    """

    def __init__(self, space: Space, trials: Trials, wanted: int) -> None:
        records = trials.all()
        begun = [record for record in records if not record.has_ended]
        distributions: dict[str, Any] = {name: parameter.distribution for name, parameter in space.parameters.items()}
        several, defaults = len(space.objectives) > 1, space.defaults()
        modes = ["min" if lower_is_better(objective) else "max" for objective in space.objectives]
        first = [defaults] if not records and len(defaults) == len(distributions) else []
        super().__init__(
            distributions,
            metric=list(space.objectives) if several else space.objectives[0],
            mode=modes if several else modes[0],
            points_to_evaluate=[record.chosen for record in begun] or first or None,
            # Another seed than before, or what is drawn at random would come again.
            sampler=_SAMPLERS[space.sampler](seed=space.seed + len(records)),
            storage=_told(space, distributions, [record for record in records if record.has_ended]),
            study_name=_STUDY,
        )
        self._numbers = list(islice(chain((record.number for record in begun), trials.unused()), wanted))

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Propose the values of a trial, and its number."""
        chosen = super().suggest(trial_id)
        return chosen and {**chosen, TRIAL: self._numbers.pop(0)}


def _told(space: Space, distributions: dict[str, Any], past: Sequence[TrialRecord]) -> optuna.storages.InMemoryStorage:
    """Write down what earlier trials found, where Optuna looks for it."""
    storage = optuna.storages.InMemoryStorage()
    directions = [direction(objective) for objective in space.objectives]
    study = optuna.create_study(storage=storage, study_name=_STUDY, directions=directions)
    for record in past:
        values = [record.figure(objective) for objective in space.objectives]
        # A trial that failed has the figure that it had before: not what its values lead to.
        if record.state != FAILED and not any(map(math.isnan, values)):
            trial = optuna.trial.create_trial(params=record.chosen, distributions=distributions, values=values)
            study.add_trial(trial)
    return storage
