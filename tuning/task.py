"""What a trial's driver hands to its workers, and the names of what they report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRIAL = "trial"
"""What Ray's settings of a trial call its number, beside the values of its parameters."""
SUM_R, TEXTS_PER_SECOND = "sum_r", "texts_per_second"
PROGRESS, PHASE = "progress", "phase"
FINISHED, FAILED = "finished", "failed"
SHARED_PHASES = ("source_projections", "cross_lingual")
"""The phases that make the cross-lingual network, which trials share."""
NETWORK_SECONDS = "network_seconds"
"""How long a trial trained in those phases itself; 0 where it found the network made."""
TRAINING_SECONDS = "training_seconds"
"""How long a trial trained itself in all phases, also before its workers died; waiting is not counted."""


@dataclass(frozen=True)
class Task:
    """What the workers of a trial train.

    Attributes:
        recipe: The recipe's lines.
        data: A folder of captioned media or of shards, or openmoji.
        folder: The run's folder, on storage that every node sees.
        networks: The folder of finished cross-lingual networks that trials share.
        objectives: The figures wanted at the end.
        threads: Threads a worker computes with; 0 leaves it to torch.
        evaluate_on: Splits whose figures go into the model's card; of shards, None is all of their dev cut.
    """

    recipe: dict[str, Any]
    data: str
    folder: str
    networks: str
    objectives: tuple[str, ...] = (SUM_R,)
    threads: int = 0
    evaluate_on: tuple[str | None, ...] = ()

    @property
    def reason(self) -> Path:
        """The file that says why the run cannot be trained."""
        return Path(self.folder) / "reason.txt"
