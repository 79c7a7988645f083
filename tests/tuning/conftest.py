"""What the tests of searches share: a small space, and trials on disk as a search leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tuning.space import Space
from tuning.trials import TrialRecord, Trials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEMPERATURE = "cross_modal.temperature"
PARAMETERS = {
    TEMPERATURE: {"from": 0.02, "to": 0.2},
    "cross_modal.distillation": {"choices": [{"form": "embeddings", "weight": 0.5}, {"form": "off"}]},
}
OFF = '{"form": "off"}'


@pytest.fixture(scope="session")
def space_of() -> Callable[..., Space]:
    """Make a space of two parameters on the recipe for photographs, with other lines: ``space_of(trials=3)``."""

    def make(**lines: Any) -> Space:
        changes = {"dev_pictures": 9, "cross_modal.distillation": {"form": "off"}}
        space = {"title": "Small", "recipe": "photos", "changes": changes, "parameters": PARAMETERS, "trials": 8}
        return Space.model_validate(space | lines)

    return make


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    """The trials of a search that has none yet."""
    return Trials(tmp_path / "search" / "trials")


@pytest.fixture
def add(trials: Trials) -> Callable[..., TrialRecord]:
    """Put a trial on disk, finished if nothing else is said: ``add(3, 250.5, state="pruned")``."""

    def write(number: int, figure: float | None = None, **facts: Any) -> TrialRecord:
        figures = {} if figure is None else {"sum_r": figure}
        known = {
            "chosen": {TEMPERATURE: 0.02 * (1 + (number - 1) % 10), "cross_modal.distillation": OFF},
            "state": "finished",
        }
        known |= {"figures": figures, "progress": 100.0, "phase": "finished", "seconds": 60.0}
        record = TrialRecord(number, **(known | facts))
        trials.write(record)
        return record

    return write
