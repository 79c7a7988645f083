"""The best trials against the base recipe, all trained in full: a table while it is made, and the winner."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cl2cm_plugin.errors import UserError
from tuning.objectives import words
from tuning.winner import Confirmed, confirm, ranked
from tuning.wording import figure, values

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

    Raises:
        UserError: None has a figure.
    """
    found = []
    for candidate in confirm(study, trials.ranked(study.space.objectives[0])[:best]):
        found.append(candidate)
        console.print(Text(f"{candidate.name}: {candidate.reason or in_full(candidate)}"), soft_wrap=True)
    rows = json.dumps([asdict(candidate) for candidate in found], indent=1)
    _file(study).write_text(f"{rows}\n", encoding="utf-8")
    console.print(_table(found, study))
    winner = ranked(found, study.space.objectives[0])[0]
    if math.isnan(winner.mean):
        reason = winner.reason or "No run has a figure on the dev cut to choose by."
        raise UserError(f"There is no winner among the runs in {study.storage / 'confirmed'}. {reason}")
    return winner


def in_full(candidate: Confirmed) -> str:
    """Write the figure of a candidate, with the spread over its seeds if there are several."""
    spread = "" if math.isnan(candidate.spread) else f" ± {figure(candidate.spread)}"
    return f"{figure(candidate.mean)}{spread}"


def compared(study: Study) -> list[Confirmed]:
    """Read what was compared; empty if nothing was."""
    file = _file(study)
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return [Confirmed(**row) for row in rows]


def _file(study: Study) -> Path:
    return study.storage / _FILE


def _table(found: list[Confirmed], study: Study) -> Table:
    objective = study.space.objectives[0]
    drawn = Table("recipe", words(objective), "values")
    for candidate in ranked(found, objective):
        said = candidate.reason or values(candidate.chosen) or "its own"
        drawn.add_row(*map(Text, (candidate.name, in_full(candidate), said)))
    return drawn
