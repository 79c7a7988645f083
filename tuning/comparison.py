"""The best trials against the base recipe, all trained in full: a table while it is made, and the winner."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from tuning.table import values
from tuning.winner import Confirmed, confirm

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from tuning.trial import Study
    from tuning.trials import Trials

_FILE = "confirmed.json"


def compare(study: Study, trials: Trials, best: int, console: Console) -> Confirmed:
    """Train the best trials and the base recipe in full, and choose by the mean of their seeds on the dev cut.

    Args:
        study: The search.
        trials: Its trials.
        best: How many of them.
        console: For the table.

    Returns:
        The winner; the base recipe itself where no trial is better.
    """
    found = []
    for candidate in confirm(study, trials.ranked(study.space.objectives[0])[:best]):
        found.append(candidate)
        said = f"{candidate.name}: {candidate.mean:.1f} ± {candidate.spread:.1f}"
        console.print(said, highlight=False)
    _file(study).write_text(json.dumps([asdict(candidate) for candidate in found], indent=1) + "\n", encoding="utf-8")
    console.print(_table(found, study))
    return max(found, key=lambda candidate: candidate.mean)


def compared(study: Study) -> list[Confirmed]:
    """Read what was compared; empty if nothing was."""
    file = _file(study)
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return [Confirmed(**row) for row in rows]


def _file(study: Study) -> Path:
    return study.storage / _FILE


def _table(found: list[Confirmed], study: Study) -> Table:
    drawn = Table("recipe", study.space.objectives[0], "spread", "values")
    for candidate in sorted(found, key=lambda candidate: -candidate.mean):
        figures = f"{candidate.mean:.1f}", f"{candidate.spread:.1f}"
        drawn.add_row(candidate.name, *figures, values(candidate.chosen))
    return drawn
