"""Asynchronous successive halving that remembers: after a restart its rungs hold what trials reported before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import ASHAScheduler

from tuning.objectives import lower_is_better
from tuning.task import PROGRESS
from tuning.trials import Trials

if TYPE_CHECKING:
    from pathlib import Path

    from tuning.space import Pruning


class RememberingHalving(ASHAScheduler):
    """Ray's ASHA, which forgets its rungs when a search is restored, told again what is on disk.

    Args:
        pruning: Grace and factor.
        objective: The figure that decides.
        folder: The folder of trials.
    """

    def __init__(self, pruning: Pruning, objective: str, folder: Path) -> None:
        super().__init__(
            time_attr=PROGRESS,
            metric=objective,
            mode="min" if lower_is_better(objective) else "max",
            max_t=100,
            grace_period=pruning.grace,
            reduction_factor=pruning.factor,
            # The last report comes before the model is written.
            stop_last_trials=False,
        )
        self._folder = folder
        self._told = False

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Tell the past before the first report: by then the journal has forgotten what the search does not know."""
        if not self._told:
            self._told = True
            self._tell_again(tune_controller)
        return super().on_trial_result(tune_controller, trial, result)

    def _tell_again(self, tune_controller: Any) -> None:
        trials = Trials(self._folder)
        for record in trials.all():
            past: Any = SimpleNamespace(trial_id=record.id)
            super().on_trial_add(tune_controller, past)
            for report in trials.reports(record):
                super().on_trial_result(tune_controller, past, report)
