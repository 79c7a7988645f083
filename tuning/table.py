"""How a search stands, in the terminal: what runs and how far it is, the best so far, and why trials failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuning.objectives import words
from tuning.task import FAILED
from tuning.trials import RUNNING, STATES, TrialRecord
from tuning.wording import duration, figure, values

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from tuning.space import Space
    from tuning.trials import Trials

_FEWEST_ROWS = 4
# Lines of the table's head, and one that the terminal keeps for itself.
_FRAME = 3
_REASONS = 3
_REASON_CHARACTERS = 300
_COLOURS = {RUNNING: "cyan", FAILED: "red", "pruned": "dim"}
_BEST = "bold green"


@dataclass(frozen=True)
class Standing:
    """How a search stands, in as many lines as the terminal has.

    Attributes:
        records: The trials, in the order of their numbers.
        best: The best of them; None if none has come to its end.
        space: The space that is searched.
    """

    records: list[TrialRecord]
    best: TrialRecord | None
    space: Space

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the head, a row for each trial that there is room for, and what is to be read in full below."""
        head, foot = self._head(), self._foot()
        free = options.update(height=None)
        used = sum(len(console.render_lines(part, free, pad=False)) for part in (head, foot))
        rows = max(_FEWEST_ROWS, options.size.height - used - _FRAME)
        yield head
        if self.records:
            yield self._table(_latest(self.records, rows))
        yield foot

    def _head(self) -> Group:
        ended = [record for record in self.records if record.state != RUNNING]
        counts = {state: sum(record.state == state for record in self.records) for state in reversed(STATES)}
        states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        said = f"{self.space.title}: {len(ended)} of {self.space.trials} trials done"
        running = sum(min(record.progress, 100) / 100 for record in self.records if record.state == RUNNING)
        bar = ProgressBar(total=self.space.trials, completed=len(ended) + running)
        # A bar alone does not end its line.
        return Group(Text(f"{said} ({states})" if states else said), Padding(bar, 0))

    def _table(self, records: list[TrialRecord]) -> Table:
        """Draw trials, a line each: what there is no room for is cut."""
        drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, expand=True)
        for name in ("trial", "state", "done", *map(words, self.space.objectives), "time"):
            drawn.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
        drawn.add_column("values, or why it failed", no_wrap=True, overflow="ellipsis", ratio=1)
        for record in records:
            figures = [figure(record.figure(name)) for name in self.space.objectives]
            row = (str(record.number), record.state, f"{record.progress:.0f} %", *figures, duration(record.seconds))
            is_best = self.best is not None and record.number == self.best.number
            # As text: square brackets would be read as markup.
            drawn.add_row(*row, Text(_note(record)), style=_BEST if is_best else _COLOURS.get(record.state))
        return drawn

    def _foot(self) -> Group:
        """Write in full what the table cuts: the best values, and the latest reasons of failures."""
        lines = []
        if self.best:
            reached = figure(self.best.figure(self.space.objectives[0]))
            said = f"Best: trial {self.best.number}, {words(self.space.objectives[0])} {reached}: "
            lines.append(Text(said + values(self.best.chosen), style=_BEST))
        reasons: dict[str, list[str]] = {}
        for record in self.records:
            if record.state == FAILED:
                reasons.setdefault(" ".join(record.reason.split()), []).append(str(record.number))
        for reason, numbers in list(reasons.items())[-_REASONS:]:
            said = f"Failed: trial {', '.join(numbers)}: {reason}"
            lines.append(Text(said[:_REASON_CHARACTERS], style=_COLOURS[FAILED]))
        return Group(*lines)


def live(trials: Trials, space: Space) -> Standing:
    """Read how a search stands, to be drawn."""
    best = next(iter(trials.ranked(space.objectives[0])), None)
    return Standing(trials.all(), best, space)


def _latest(records: list[TrialRecord], rows: int) -> list[TrialRecord]:
    """Choose what runs, and of the rest what began last."""
    running = [record for record in records if record.state == RUNNING][-rows:]
    ended = [record for record in records if record.state != RUNNING]
    ended = ended[len(ended) - min(len(ended), rows - len(running)) :]
    return sorted([*ended, *running], key=lambda record: record.number)


def _note(record: TrialRecord) -> str:
    if record.state == FAILED:
        return " ".join(record.reason.split())
    said = values(record.chosen)
    return f"{record.phase}: {said}" if record.state == RUNNING and record.phase else said
