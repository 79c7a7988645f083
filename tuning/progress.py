"""What a search says while it runs: a live table in a terminal, a line for every end of a trial in a log."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from tuning.objectives import words
from tuning.table import live
from tuning.task import FAILED
from tuning.trials import RUNNING
from tuning.wording import duration, figure, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from tuning.space import Space
    from tuning.trials import TrialRecord, Trials

_SECONDS_BETWEEN_LOOKS = 2


@contextmanager
def told(trials: Trials, space: Space, console: Console) -> Iterator[None]:
    """Tell how a search stands for as long as it runs.

    Args:
        trials: Its trials, on disk.
        space: Its space.
        console: A terminal, or what keeps a log.
    """
    if console.is_terminal:
        with Live(get_renderable=lambda: live(trials, space), console=console, refresh_per_second=1):
            yield
        return
    log, over = Log(trials, space, console), Event()
    thread = Thread(target=log.follow, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        log.tell()


class Log:
    """A line for every trial that begins or ends.

    Args:
        trials: The trials, on disk; what is known of them at the start is not told.
        space: Their space.
        console: Where to.
    """

    def __init__(self, trials: Trials, space: Space, console: Console) -> None:
        self._trials, self._space, self._console = trials, space, console
        self._told = {record.number: record.state for record in trials.all()}

    def follow(self, over: Event) -> None:
        """Look again and again, until it is over."""
        while not over.wait(_SECONDS_BETWEEN_LOOKS):
            self.tell()

    def tell(self) -> None:
        """Tell what has changed since the last look."""
        records = self._trials.all()
        for record in records:
            if self._told.get(record.number) != record.state:
                self._told[record.number] = record.state
                self._console.print(Text(self._line(record, records)), soft_wrap=True)

    def _line(self, record: TrialRecord, records: list[TrialRecord]) -> str:
        if record.state == RUNNING:
            return f"trial {record.number} begins: {values(record.chosen)}"
        objectives = self._space.objectives
        figures = ", ".join(f"{words(name)} {figure(record.figure(name))}" for name in objectives)
        said = " ".join(record.reason.split()) if record.state == FAILED else figures
        best = next(iter(self._trials.ranked(objectives[0])), None)
        leads = f", best {figure(best.figure(objectives[0]))} in trial {best.number}" if best else ""
        done = sum(other.state != RUNNING for other in records)
        end = f"{done} of {self._space.trials} done{leads}"
        return f"trial {record.number} {record.state} after {duration(record.seconds)}: {said} ({end})"
