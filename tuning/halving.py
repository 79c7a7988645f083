"""Asynchronous successive halving that remembers: after a restart its rungs hold what trials reported before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import ASHAScheduler

from tuning.objectives import lower_is_better
from tuning.task import PHASE, PROGRESS, SHARED_PHASES, TRIAL

if TYPE_CHECKING:
    from tuning.space import Pruning
    from tuning.trials import Trials


class RememberingHalving(ASHAScheduler):
    """Ray's ASHA, told first what is on disk.

    Figures of stage 1 decide nothing: a trial that takes a network that is there has none, and what it chooses for
    stage 2 is not in them.

    Args:
        pruning: Grace and factor.
        objective: The figure that decides.
        trials: What the search has had.
    """

    def __init__(self, pruning: Pruning, objective: str, trials: Trials) -> None:
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
        for record in trials.all():
            past = SimpleNamespace(config={TRIAL: record.number})
            self.on_trial_add(None, past)
            for report in trials.reports(record):
                self.on_trial_result(None, past, report)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """A trial begins, or goes on in a search that goes on: it has its place in the rungs by its number."""
        super().on_trial_add(tune_controller, _numbered(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide whether a trial goes on."""
        return str(super().on_trial_result(tune_controller, _numbered(trial), _judged(result)))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial ends."""
        super().on_trial_complete(tune_controller, _numbered(trial), _judged(result))

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """A trial never began."""
        super().on_trial_remove(tune_controller, _numbered(trial))


def _numbered(trial: Any) -> Any:
    """Give a trial the name that it keeps: Ray gives it another one each time that a search goes on."""
    return SimpleNamespace(trial_id=trial.config[TRIAL])


def _judged(result: dict[str, Any]) -> dict[str, Any]:
    return {} if result.get(PHASE) in SHARED_PHASES else result
