"""Plots of a search, all by Optuna: history, importance of the parameters, parallel coordinates, response curves."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import optuna
from matplotlib import pyplot
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawn

from tuning.table import short_names
from tuning.task import FINISHED
from tuning.trials import OUT_OF_TIME, PRUNED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuning.space import Space
    from tuning.trials import TrialRecord

_LEAST = 4


def study_of(space: Space, records: list[TrialRecord], objectives: list[str]) -> optuna.Study:
    """Give Optuna the trials that have figures; those that were pruned as such.

    Args:
        space: The space.
        records: The trials.
        objectives: Which figures.

    Returns:
        A study in memory, its parameters under short names.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["maximize"] * len(objectives))
    names = short_names(list(space.parameters))
    distributions = {names[name]: parameter.distribution for name, parameter in space.parameters.items()}
    for record in records:
        figures = [record.figure(name) for name in objectives]
        if record.state not in (FINISHED, OUT_OF_TIME, PRUNED) or any(value != value for value in figures):
            continue
        chosen = {names[name]: value for name, value in record.chosen.items()}
        pruned = record.state == PRUNED
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE
        with warnings.catch_warnings():
            # A value outside its range: the space was changed by hand since.
            warnings.simplefilter("ignore")
            study.add_trial(
                optuna.trial.create_trial(
                    params=chosen, distributions=distributions, values=None if pruned else figures, state=state
                )
            )
    return study


def importances(study: optuna.Study, objectives: list[str]) -> dict[str, float]:
    """How much of the figures' variance each parameter explains (fANOVA), the largest first; empty with few trials."""
    if len(_complete(study)) < _LEAST:
        return {}
    target = (lambda trial: trial.values[0]) if len(objectives) > 1 else None
    return optuna.importance.get_param_importances(study, target=target)


def draw(study: optuna.Study, objectives: list[str], folder: Path) -> list[Path]:
    """Draw what there are enough trials for.

    Args:
        study: From `study_of`.
        objectives: The names of its figures; everything but the Pareto front is drawn for the first.
        folder: Where to.

    Returns:
        The pictures.
    """
    several = len(objectives) > 1
    first: dict[str, Any] = {"target_name": objectives[0]}
    if several:
        first["target"] = lambda trial: trial.values[0]
    plots: dict[str, Callable[..., Any]] = {"history": drawn.plot_optimization_history}
    if len(_complete(study)) >= _LEAST:
        plots |= {
            "importance": drawn.plot_param_importances,
            "parallel-coordinates": drawn.plot_parallel_coordinate,
            "response": drawn.plot_slice,
        }
    made = []
    with warnings.catch_warnings():
        # Optuna calls its plots experimental.
        warnings.simplefilter("ignore")
        for name, plot in plots.items() if _complete(study) else ():
            plot(study, **first)
            made.append(_saved(folder / f"{name}.png"))
        if several and _complete(study):
            drawn.plot_pareto_front(study, target_names=objectives)
            made.append(_saved(folder / "pareto-front.png"))
    return made


def _complete(study: optuna.Study) -> list[Any]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _saved(file: Path) -> Path:
    pyplot.gcf().savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close("all")
    return file
