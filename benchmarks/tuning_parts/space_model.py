"""A model of what trials find and take, made from real ones: a Gaussian process over the values of a space."""

from __future__ import annotations

import math
import warnings
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from tuning.task import FINISHED, NETWORK_SECONDS, PHASE, PROGRESS, SHARED_PHASES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuning.space import Space
    from tuning.trials import TrialRecord, Trials


class SpaceModel:
    """What a trial of a space finds, and what it takes.

    Args:
        space: The space.
        searches: Trials that it had.

    Attributes:
        known: How many whole trials it is made from.
        error: Root mean square of its error at a trial that it was not shown, in the figure's unit.
        explained: The part of the figures' variance that it foresees there.
    """

    def __init__(self, space: Space, searches: Sequence[Trials]) -> None:
        self._space, objective = space, space.objectives[0]
        records = [(record, trials.reports(record)) for trials in searches for record in trials.all()]
        whole = [(record, reports) for record, reports in records if record.state == FINISHED]
        points = np.array([self._point(record.chosen) for record, _ in whole])
        figures = np.array([record.figure(objective) for record, _ in whole])
        smooth = ConstantKernel() * Matern(np.ones(points.shape[1]), (0.2, 20), nu=2.5)
        process = GaussianProcessRegressor(smooth + WhiteKernel(0.05, (0.01, 0.5)), normalize_y=True, random_state=0)
        with warnings.catch_warnings():
            # A length at its upper bound: a parameter of little weight.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process = process.fit(points, figures)
        errors = _left_out_errors(process, points, figures)
        self.known, self.error = len(whole), float(np.sqrt(np.mean(errors**2)))
        self.explained = 1 - self.error**2 / float(figures.var())
        judged = np.array([self._judged(reports) for _, reports in whole])
        self._line = np.poly1d(np.polyfit(figures, judged, 1))
        self._spread = float(np.std(judged - self._line(figures)))
        self._seconds = _seconds(records)

    def figure(self, chosen: dict[str, Any], luck: np.random.Generator) -> float:
        """What a trial ends with; what the model cannot foresee is luck."""
        return float(self._process.predict([self._point(chosen)])[0]) + luck.normal(0, self.error)

    def when_judged(self, figure: float, luck: np.random.Generator) -> float:
        """What a trial has that will end with a figure, when pruning looks at it."""
        return float(self._line(figure) + luck.normal(0, self._spread))

    def seconds(self, state: str, *, trains: bool) -> float:
        """What a trial takes that ends in a state and trains a network of its own, or takes one: their median."""
        return self._seconds.get((trains, state), self._seconds[trains, FINISHED])

    def _point(self, chosen: dict[str, Any]) -> list[float]:
        """Where values lie between their bounds; of choices the one taken is 1, the others 0."""
        point: list[float] = []
        for name, parameter in self._space.parameters.items():
            distribution, value = parameter.distribution, chosen[name]
            if isinstance(distribution, CategoricalDistribution):
                point += [float(value == choice) for choice in distribution.choices]
            else:
                scaled = math.log if distribution.log else float
                low, high = scaled(distribution.low), scaled(distribution.high)
                point.append((scaled(value) - low) / (high - low))
        return point

    def _judged(self, reports: list[dict[str, Any]]) -> float:
        grace = self._space.pruning.grace if self._space.pruning else 0
        compared = (report for report in reports if report[PHASE] not in SHARED_PHASES and report[PROGRESS] >= grace)
        return float(next(compared)[self._space.objectives[0]])


def _left_out_errors(process: GaussianProcessRegressor, points: np.ndarray, figures: np.ndarray) -> np.ndarray:
    """How far a process is off at each point if it is not shown that point, its kernel unchanged.

    In closed form: Rasmussen and Williams, Gaussian Processes for Machine Learning, 5.4.2.
    """
    inverse = np.linalg.inv(process.kernel_(points))
    return (inverse @ (figures - figures.mean())) / np.diag(inverse)


def _seconds(records: Sequence[tuple[TrialRecord, list[dict[str, Any]]]]) -> dict[tuple[bool, str], float]:
    """Take the median of trials' seconds, by whether they trained a network themselves and how they ended."""
    kinds: dict[tuple[bool, str], list[float]] = {}
    for record, reports in records:
        trains = any(report.get(NETWORK_SECONDS) for report in reports)
        kinds.setdefault((trains, record.state), []).append(record.seconds)
    return {kind: median(seconds) for kind, seconds in kinds.items()}
