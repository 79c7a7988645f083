"""Every report of a run, on disk."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tuning.task import PHASE, SUM_R

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "reports.jsonl"


class Reports:
    """Every report of a run, a line of JSON each: they outlive the workers.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE

    def add(self, metrics: dict[str, Any]) -> None:
        """Keep a report."""
        line = f"{json.dumps(metrics)}\n".encode()
        with self._file.open("a+b") as file:
            file.seek(max(file.tell() - 1, 0))
            # Whoever wrote before may have been killed in the middle of a line.
            file.write(line if file.read(1) in (b"", b"\n") else b"\n" + line)

    def all(self) -> list[dict[str, Any]]:
        """Read every report, in order, without lines that a killed process left unfinished."""
        lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines() if self._file.is_file() else []
        return [report for report in map(_report, lines) if report]

    def last(self) -> dict[str, Any]:
        """Read the last report."""
        return (self.all() or [{SUM_R: math.nan}])[-1]

    def best_of_last_phase(self) -> dict[str, Any]:
        """Read the best report of the phase that reported last: the first with the best mean of all languages.

        Stopping goes by that mean, so it belongs to the epoch whose weights a phase with patience keeps.
        """
        last = self.last()
        rivals = [metrics for metrics in self.all() if metrics[PHASE] == last.get(PHASE)]
        return max(rivals, key=_mean_of_languages, default=last)


def _report(line: str) -> dict[str, Any] | None:
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def _mean_of_languages(metrics: dict[str, Any]) -> float:
    figures = [figure for name, figure in metrics.items() if name.startswith(f"{SUM_R}.")] or [metrics[SUM_R]]
    mean = sum(figures) / len(figures)
    return -math.inf if math.isnan(mean) else mean
