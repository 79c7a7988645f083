"""What is known of every trial of a search, in a file each: it outlives the search's process.

<storage>/search.json                      which space, data and resources
<storage>/trials/<number>/trial.json       values, state, figures, reason
<storage>/trials/<number>/reports.jsonl    every report of the trial
<storage>/trials/<number>/run/             checkpoints and model, while they are needed
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from tuning.objectives import worth
from tuning.reports import Reports
from tuning.task import FAILED, FINISHED, PHASE, PROGRESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNNING, PRUNED, OUT_OF_TIME = "running", "pruned", "out of time"
STATES = (FINISHED, PRUNED, OUT_OF_TIME, FAILED, RUNNING)
DIED = "Its process died, and again when it was started anew."
"""The reason of a trial that may do better another time."""
_FILE = "trial.json"


@dataclass
class TrialRecord:
    """A trial.

    Attributes:
        number: Its place in the search, from 1, and the name of its folder.
        chosen: The value of each parameter.
        state: One of `STATES`.
        figures: The last figure of each objective and language.
        progress: Percent of its run that is done.
        phase: What trains, or trained last.
        seconds: What it took, waiting for a shared network included.
        reason: Why it failed; empty if it did not.
    """

    number: int
    chosen: dict[str, Any]
    state: str = RUNNING
    figures: dict[str, float] = field(default_factory=dict)
    progress: float = 0.0
    phase: str = ""
    seconds: float = 0.0
    reason: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it came to an end that stays; where its own process died, a search that goes on tries again."""
        return self.state != RUNNING and self.reason != DIED

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
        """Read every trial whose file is not damaged, in the order in which they began."""
        found = [record for file in self.folder.glob(f"*/{_FILE}") if (record := _read(file))]
        return sorted(found, key=lambda trial: trial.number)

    def unused(self) -> Iterator[int]:
        """Go through the numbers that no trial has had, in order; one whose file is damaged had one, too."""
        return (number for number in count(1) if not self.folder_of(number).exists())

    def folder_of(self, number: int) -> Path:
        """The folder of a trial."""
        return self.folder / str(number)

    def ranked(self, objective: str) -> list[TrialRecord]:
        """List what has a figure and went to its end, the best first."""
        ended = [trial for trial in self.all() if trial.state in (FINISHED, OUT_OF_TIME)]
        known = [trial for trial in ended if not math.isnan(trial.figure(objective))]
        return sorted(known, key=lambda trial: (-worth(objective, trial.figure(objective)), trial.number))

    def reports(self, trial: TrialRecord) -> list[dict[str, Any]]:
        """Read every report of a trial, in order; one that came again, because a worker died, counts once."""
        rows: dict[tuple[float, str], dict[str, Any]] = {}
        for row in Reports(self.folder_of(trial.number)).all():
            rows.setdefault((row[PROGRESS], row[PHASE]), row)
        return sorted(rows.values(), key=lambda row: row[PROGRESS])

    def write(self, trial: TrialRecord) -> None:
        """Keep a trial; the file appears whole or not at all."""
        file = self.folder_of(trial.number) / _FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(trial), indent=1) + "\n", encoding="utf-8")
        temporary.replace(file)

    def note(self, trial: TrialRecord, report: dict[str, Any]) -> None:
        """Keep a report of a trial."""
        Reports(self.folder_of(trial.number)).add(report)


def _read(file: Path) -> TrialRecord | None:
    try:
        return TrialRecord(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
