"""Optuna's sampler as Ray Tune asks it: it begins with the base recipe, or with what earlier trials have found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from tuning.objectives import direction, lower_is_better

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuning.space import Space
    from tuning.trials import TrialRecord

_SAMPLERS = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
_STUDY = "search"


def sampler(space: Space, past: Sequence[TrialRecord] = ()) -> OptunaSearch:
    """Make the sampler of a search.

    Args:
        space: What may be tried.
        past: Trials that the search has had; it learns from those that have every objective's figure.

    Returns:
        The sampler. The first trial is the base recipe, where the space has it: what every other one is compared with.
    """
    distributions: dict[str, Any] = {name: parameter.distribution for name, parameter in space.parameters.items()}
    several, defaults = len(space.objectives) > 1, space.defaults()
    modes = ["min" if lower_is_better(objective) else "max" for objective in space.objectives]
    begins = not past and len(defaults) == len(distributions)
    return OptunaSearch(
        distributions,
        metric=list(space.objectives) if several else space.objectives[0],
        mode=modes if several else modes[0],
        points_to_evaluate=[defaults] if begins else None,
        # Another seed than before, or what is drawn at random would come again.
        sampler=_SAMPLERS[space.sampler](seed=space.seed + len(past)),
        storage=_told(space, distributions, past),
        study_name=_STUDY,
    )


def _told(space: Space, distributions: dict[str, Any], past: Sequence[TrialRecord]) -> optuna.storages.InMemoryStorage:
    """Write down what earlier trials found, where Optuna looks for it."""
    storage = optuna.storages.InMemoryStorage()
    directions = [direction(objective) for objective in space.objectives]
    study = optuna.create_study(storage=storage, study_name=_STUDY, directions=directions)
    for record in past:
        values = [record.figure(objective) for objective in space.objectives]
        if not any(map(math.isnan, values)):
            trial = optuna.trial.create_trial(params=record.chosen, distributions=distributions, values=values)
            study.add_trial(trial)
    return storage
