"""What is known of every trial of a search, in a file each: it outlives the search's process.

<storage>/search.json                  which space, data and resources
<storage>/trials/<id>/trial.json       values, state, figures, reason
<storage>/trials/<id>/reports.jsonl    every report of the trial
<storage>/trials/<id>/run/             checkpoints and model, while they are needed
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ray import tune

from tuning.task import FAILED, FINISHED, PHASE, PROGRESS

if TYPE_CHECKING:
    from pathlib import Path

    from ray.tune.experiment import Trial

    from tuning.space import Space

RUNNING, PRUNED, OUT_OF_TIME = "running", "pruned", "out of time"
STATES = (FINISHED, PRUNED, OUT_OF_TIME, FAILED, RUNNING)
_FILE, _REPORTS = "trial.json", "reports.jsonl"


@dataclass
class TrialRecord:
    """A trial.

    Attributes:
        id: Ray's name for it.
        number: Its place in the search, from 1.
        chosen: The value of each parameter.
        state: One of `STATES`.
        figures: The last figure of each objective and language.
        progress: Percent of its run that is done.
        phase: What trains, or trained last.
        seconds: What it took, waiting for a shared network included.
        reason: Why it failed; empty if it did not.
    """

    id: str
    number: int
    chosen: dict[str, Any]
    state: str = RUNNING
    figures: dict[str, float] = field(default_factory=dict)
    progress: float = 0.0
    phase: str = ""
    seconds: float = 0.0
    reason: str = ""

    def figure(self, name: str) -> float:
        """The last value of a figure; NaN if there is none."""
        return self.figures.get(name, math.nan)


class Trials:
    """The trials of a search, on disk.

    Args:
        folder: The folder of trials.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[TrialRecord]:
        """Read every trial, in the order in which they began."""
        files = self.folder.glob(f"*/{_FILE}")
        found = [TrialRecord(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
        return sorted(found, key=lambda trial: trial.number)

    def ranked(self, objective: str) -> list[TrialRecord]:
        """List what has a figure and went to its end, the best first."""
        ended = [trial for trial in self.all() if trial.state in (FINISHED, OUT_OF_TIME)]
        known = [trial for trial in ended if not math.isnan(trial.figure(objective))]
        return sorted(known, key=lambda trial: (-trial.figure(objective), trial.number))

    def reports(self, trial: TrialRecord) -> list[dict[str, Any]]:
        """Read every report of a trial, in order; one that came twice, because a worker died, counts once."""
        file = self.folder / trial.id / _REPORTS
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        rows = {row[PROGRESS]: row for row in map(json.loads, lines)}
        return [rows[progress] for progress in sorted(rows)]

    def write(self, trial: TrialRecord) -> None:
        """Keep a trial; the file appears whole or not at all."""
        file = self.folder / trial.id / _FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(trial), indent=1) + "\n", encoding="utf-8")
        temporary.replace(file)

    def note(self, trial: TrialRecord, report: dict[str, Any]) -> None:
        """Keep a report of a trial."""
        with (self.folder / trial.id / _REPORTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")

    def forget(self, known: set[str]) -> None:
        """Delete trials that the search does not know: those that began just before its process was killed."""
        for folder in self.folder.glob("*"):
            if folder.name not in known:
                shutil.rmtree(folder)


class Journal(tune.Callback):
    """Writes down what happens to each trial, and deletes runs that nobody will want.

    Args:
        trials: Where.
        space: The space that is searched.
        keep: How many of the best runs keep their checkpoints and models.
    """

    def __init__(self, trials: Trials, space: Space, keep: int) -> None:
        self._trials, self._space, self._keep = trials, space, keep
        self._records: dict[str, TrialRecord] = {}
        self._started = False

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Start from what is on disk, as far as the search knows it."""
        if self._started:
            return
        self._started = True
        self._trials.forget({trial.trial_id for trial in trials})
        self._records = {record.id: record for record in self._trials.all()}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial begins, or goes on."""
        record = self._records.get(trial.trial_id)
        if record is None:
            number = 1 + max((known.number for known in self._records.values()), default=0)
            record = self._records[trial.trial_id] = TrialRecord(trial.trial_id, number, dict(trial.config))
        record.state = RUNNING
        self._trials.write(record)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports."""
        record = self._records[trial.trial_id]
        figures = {name: float(v) for name, v in result.items() if name.startswith(("sum_r", "texts_per_second"))}
        record.figures |= {name: value for name, value in figures.items() if not math.isnan(value)}
        record.progress, record.phase = float(result[PROGRESS]), str(result[PHASE])
        record.seconds = round(float(result["time_total_s"]), 1)
        record.reason = str(result.get(FAILED, ""))
        self._trials.note(
            record, {PROGRESS: record.progress, PHASE: record.phase, **figures, "seconds": record.seconds}
        )
        self._trials.write(record)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial ends: by itself, or because it was stopped."""
        record = self._records[trial.trial_id]
        limit = self._space.trial_seconds
        if record.reason:
            record.state = FAILED
        elif record.phase == FINISHED:
            record.state = FINISHED
        else:
            record.state = OUT_OF_TIME if limit and record.seconds >= limit else PRUNED
        self._trials.write(record)
        self._delete_runs()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial's own process died more often than it was to be started again."""
        record = self._records[trial.trial_id]
        record.state, record.reason = FAILED, record.reason or "Its process died, and again when it was started anew."
        self._trials.write(record)
        self._delete_runs()

    def _delete_runs(self) -> None:
        best = {trial.id for trial in self._trials.ranked(self._space.objectives[0])[: self._keep]}
        for record in self._records.values():
            if record.state != RUNNING and record.id not in best:
                shutil.rmtree(self._trials.folder / record.id / "run", ignore_errors=True)
