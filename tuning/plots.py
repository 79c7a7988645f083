"""Plots of a search, all by Optuna: history, importance of the parameters, parallel coordinates, response curves."""

from __future__ import annotations

import math
import warnings
from textwrap import fill
from typing import TYPE_CHECKING, Any

import optuna
from matplotlib import pyplot
from optuna.distributions import CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawn

from tuning.objectives import direction, words
from tuning.parameters import Choices, label
from tuning.task import FINISHED
from tuning.trials import OUT_OF_TIME, PRUNED
from tuning.wording import short_names, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuning.space import Space
    from tuning.trials import TrialRecord

_LEAST = 4
_SEED = 0
_COLUMNS = 4
# Letters of a choice beside an axis, before the line is broken.
_LETTERS = 20
CAPTIONS = {
    "history": "The best figure so far, trial by trial",
    "importance": "How much of the figures each parameter explains",
    "parallel-coordinates": "Each trial as a line through its values",
    "response": "The figure at each value of each parameter",
    "pareto-front": "Trials by two objectives, and those that none other beats in both",
}


def study_of(space: Space, records: list[TrialRecord], objectives: list[str]) -> optuna.Study:
    """Give Optuna the trials that have figures; those that were pruned as such.

    Args:
        space: The space.
        records: The trials.
        objectives: Which figures.

    Returns:
        A study in memory, its parameters under short names, its trials under the search's numbers.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=[direction(objective) for objective in objectives])
    for record in records:
        while len(study.get_trials(deepcopy=False)) < record.number:
            # Optuna counts from 0 and without gaps, a search from 1 and over trials that have no figure.
            study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
        figures = [record.figure(name) for name in objectives]
        if record.state not in (FINISHED, OUT_OF_TIME, PRUNED) or any(value != value for value in figures):
            continue
        state = TrialState.PRUNED if record.state == PRUNED else TrialState.COMPLETE
        values = None if state == TrialState.PRUNED else figures
        params, distributions = _readable(space, record.chosen)
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, values=values, state=state)
        )
    return study


def importances(study: optuna.Study) -> dict[str, float]:
    """How much of the first objective's variance each parameter explains (fANOVA), the largest first.

    Returns:
        Shares by parameter; none where there are too few trials, or all have the same figure.
    """
    if not _vary(study):
        return {}
    target = _first_objective(study).get("target")
    found = optuna.importance.get_param_importances(study, target=target, evaluator=_evaluator())
    return {name: float(share) for name, share in found.items()}


def pareto_front(study: optuna.Study) -> list[int]:
    """Number the trials that no other one beats in every objective."""
    return sorted(trial.number for trial in study.best_trials) if _complete(study) else []


def draw(study: optuna.Study, objectives: list[str], folder: Path) -> list[Path]:
    """Draw what there are enough trials for.

    Args:
        study: From `study_of`.
        objectives: The names of its figures; everything but the Pareto front is drawn for the first.
        folder: Where to.

    Returns:
        The pictures.
    """
    first = {"target_name": words(objectives[0]), **_first_objective(study)}
    plots: dict[str, Callable[[], Any]] = {}
    if _complete(study):
        plots["history"] = lambda: drawn.plot_optimization_history(study, **first)
    if _vary(study):
        plots["importance"] = lambda: drawn.plot_param_importances(study, evaluator=_evaluator(), **first)
        plots["parallel-coordinates"] = lambda: _parallel_coordinates(study, first)
        plots["response"] = lambda: _response(study, words(objectives[0]))
    if _complete(study) and len(objectives) in (2, 3):
        plots["pareto-front"] = lambda: drawn.plot_pareto_front(study, target_names=list(map(words, objectives)))
    with warnings.catch_warnings():
        # Optuna calls its plots experimental.
        warnings.simplefilter("ignore")
        return [_saved(plot, folder / f"{name}.png") for name, plot in plots.items()]


def _readable(space: Space, chosen: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Name parameters in short, and parts of a recipe in words."""
    names = short_names(list(space.parameters))
    params, distributions = {}, {}
    for name, parameter in space.parameters.items():
        params[names[name]], distributions[names[name]] = chosen[name], parameter.distribution
        if isinstance(parameter, Choices):
            labels = [label(choice) for choice in parameter.choices]
            words = {
                known: fill(shown(known), _LETTERS, break_long_words=False) if isinstance(known, str) else known
                for known in labels
            }
            if len(set(words.values())) == len(labels):
                params[names[name]] = words[chosen[name]]
                distributions[names[name]] = CategoricalDistribution(list(words.values()))
    return params, distributions


def _parallel_coordinates(study: optuna.Study, first: dict[str, Any]) -> None:
    axes = drawn.plot_parallel_coordinate(study, **first)
    # One of several objectives is taken for what is to be low.
    axes.collections[0].set_cmap("Blues")
    pyplot.gcf().set_size_inches(2.2 * (1 + len(_complete(study)[0].params)), 6)


def _response(study: optuna.Study, aimed_at: str) -> None:
    """Draw the figure over each parameter, darker the later the trial."""
    found = _complete(study)
    distributions = found[0].distributions
    rows = math.ceil(len(distributions) / _COLUMNS)
    figure, grid = pyplot.subplots(rows, _COLUMNS, figsize=(14, 3.6 * rows), squeeze=False, sharey=True)
    figures, numbers = [trial.values[0] for trial in found], [trial.number for trial in found]
    for axes, (name, distribution) in zip(grid.flat, distributions.items(), strict=False):
        places = [distribution.to_internal_repr(trial.params[name]) for trial in found]
        axes.scatter(places, figures, c=numbers, cmap="Blues", vmin=-len(found), edgecolors="grey", linewidths=0.3)
        axes.set_xlabel(name)
        axes.tick_params(axis="x", which="both", labelsize=7)
        if isinstance(distribution, CategoricalDistribution):
            choices = list(map(str, distribution.choices))
            upright = max(map(len, choices)) > _LETTERS
            axes.set_xticks(range(len(choices)), choices, rotation=90 if upright else 0)
        elif distribution.log:
            axes.set_xscale("log")
    for axes in grid[:, 0]:
        axes.set_ylabel(aimed_at)
    for axes in grid.flat[len(distributions) :]:
        axes.set_visible(False)
    figure.tight_layout()


def _first_objective(study: optuna.Study) -> dict[str, Any]:
    """What Optuna has to be told where there are several objectives, and not where there is one."""
    return {"target": lambda trial: trial.values[0]} if len(study.directions) > 1 else {}


def _evaluator() -> FanovaImportanceEvaluator:
    return FanovaImportanceEvaluator(seed=_SEED)


def _vary(study: optuna.Study) -> bool:
    """Whether there are enough trials to say what matters, and anything to explain."""
    found = _complete(study)
    return len(found) >= _LEAST and len({trial.values[0] for trial in found}) > 1


def _complete(study: optuna.Study) -> list[Any]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _saved(plot: Callable[[], Any], file: Path) -> Path:
    plot()
    pyplot.gcf().savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close("all")
    return file
