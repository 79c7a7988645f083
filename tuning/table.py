"""The trials of a search as a table in the terminal, while it runs and afterwards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuning.trials import RUNNING

if TYPE_CHECKING:
    from tuning.space import Space
    from tuning.trials import TrialRecord, Trials

_SHOWN = 20
_COLOURS = {RUNNING: "cyan", "failed": "red", "pruned": "dim"}


def live(trials: Trials, space: Space) -> Group:
    """Draw how a search stands: how many trials are done, the best, and the latest."""
    records = trials.all()
    done = sum(record.state != RUNNING for record in records)
    best = next(iter(trials.ranked(space.objectives[0])), None)
    said = f"{space.title}: {done} of {space.trials} trials"
    if best:
        said += f", best {shown(best.figure(space.objectives[0]))} (trial {best.number})"
    bar = ProgressBar(total=space.trials, completed=sum(min(record.progress, 100) / 100 for record in records))
    return Group(Text(said), bar, table(records[-_SHOWN:], space))


def table(records: list[TrialRecord], space: Space) -> Table:
    """Draw trials, a row each; a failed one with its reason."""
    drawn = Table()
    for name in ("trial", "state", "%", *space.objectives, "seconds"):
        drawn.add_column(name, justify="left" if name == "state" else "right")
    drawn.add_column("values", overflow="fold", ratio=1)
    for record in records:
        figures = [shown(record.figure(name)) for name in space.objectives]
        row = (str(record.number), record.state, f"{record.progress:.0f}", *figures, f"{record.seconds:.0f}")
        drawn.add_row(*row, record.reason or values(record.chosen), style=_COLOURS.get(record.state))
    return drawn


def values(chosen: dict[str, Any]) -> str:
    """Write chosen values, each with as much of its name as is needed to tell it from the others."""
    names = short_names(list(chosen))
    return ", ".join(f"{names[name]} {shown(value)}" for name, value in chosen.items())


def short_names(names: list[str]) -> dict[str, str]:
    """Shorten dotted names to their last parts, as many as make them different."""
    found = {}
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            end = ".".join(parts[-length:])
            if sum(other == end or other.endswith(f".{end}") for other in names) == 1:
                break
        found[name] = end
    return found


def shown(value: Any) -> str:
    """Write a figure or a value in few characters; a missing one as a dash."""
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)
