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
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")

    def all(self) -> list[dict[str, Any]]:
        """Read every report, in order."""
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.is_file() else []
        return [json.loads(line) for line in lines]

    def last(self) -> dict[str, Any]:
        """Read the last report."""
        return (self.all() or [{SUM_R: math.nan}])[-1]

    def best_of_last_phase(self) -> dict[str, Any]:
        """Read the best report of the phase that reported last."""
        last = self.last()
        rivals = [metrics for metrics in self.all() if metrics[PHASE] == last.get(PHASE)]
        return max(rivals, key=lambda metrics: metrics[SUM_R], default=last)
