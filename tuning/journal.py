"""Writes down what happens to the trials of a search, while Ray Tune runs them."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

from ray import tune

from tuning.objectives import is_known
from tuning.task import FAILED, FINISHED, NETWORK_SECONDS, PHASE, PROGRESS, TRAINING_SECONDS, TRIAL
from tuning.trials import DIED, OUT_OF_TIME, PRUNED, RUNNING, TrialRecord, Trials

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

    from tuning.space import Space

_SECONDS = "time_total_s"


class Journal(tune.Callback):
    """Writes down what happens to each trial, and deletes runs that nobody will want.

    Args:
        trials: Where.
        space: The space that is searched.
        keep: How many of the best runs keep their checkpoints and models.
    """

    def __init__(self, trials: Trials, space: Space, keep: int) -> None:
        self._trials, self._space, self._keep = trials, space, keep
        self._records = {record.number: record for record in trials.all()}
        # Ray counts the seconds of a trial anew when it is started again.
        self._seconds_before: dict[int, float] = {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial begins, or goes on."""
        record = self._record(trial)
        self._seconds_before[record.number] = record.seconds
        record.state, record.reason = RUNNING, ""
        self._trials.write(record)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports."""
        record = self._record(trial)
        figures = self._take(record, result)
        self._trials.write(record)
        where = {PROGRESS: float(result[PROGRESS]), PHASE: str(result[PHASE])}
        network = {NETWORK_SECONDS: float(result.get(NETWORK_SECONDS, 0))}
        self._trials.note(record, {**where, **figures, **network, "seconds": record.seconds})

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial ends: by itself, or because it was stopped."""
        record = self._record(trial)
        limit, seconds = self._space.trial_seconds, trial.last_result.get(TRAINING_SECONDS, 0)
        if record.reason:
            record.state = FAILED
        elif record.phase == FINISHED:
            record.state = FINISHED
        else:
            record.state = OUT_OF_TIME if limit and seconds >= limit else PRUNED
        self._trials.write(record)
        self._delete_runs()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial's own process died more often than it was to be started again, or never started."""
        record = self._record(trial)
        record.state, record.reason = FAILED, record.reason or DIED
        self._trials.write(record)
        self._delete_runs()

    def _record(self, trial: Trial) -> TrialRecord:
        """What is known of a trial; nothing yet of a new one."""
        chosen = dict(trial.config)
        number = chosen.pop(TRIAL)
        return self._records.setdefault(number, TrialRecord(number, chosen))

    def _take(self, record: TrialRecord, result: dict[str, Any]) -> dict[str, float]:
        """Write a report into a record, and pick its figures; a failure changes nothing but the reason."""
        figures = {name: float(value) for name, value in result.items() if is_known(name)}
        record.figures |= {name: value for name, value in figures.items() if not math.isnan(value)}
        record.reason = str(result.get(FAILED, ""))
        if not record.reason:
            record.progress, record.phase = float(result[PROGRESS]), str(result[PHASE])
        record.seconds = round(self._seconds_before.get(record.number, 0) + float(result[_SECONDS]), 1)
        return figures

    def _delete_runs(self) -> None:
        best = {trial.number for trial in self._trials.ranked(self._space.objectives[0])[: self._keep]}
        for record in self._records.values():
            if record.state != RUNNING and record.number not in best:
                shutil.rmtree(self._trials.folder_of(record.number) / "run", ignore_errors=True)
