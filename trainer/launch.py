"""How training is started: in which processes, and who hears of its epochs. Nothing here decides what is learned."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from trainer.methods.precision import lightning_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import lightning as L
    from lightning.pytorch.callbacks import Callback

    from trainer.evaluation.retrieval import Retrieval
    from trainer.recipe import Compute


@dataclass(frozen=True)
class Phase:
    """A part of a run that trains on its own: a stage, or the projections before one.

    Attributes:
        name: Its folder's name.
        number: Its place among the phases of the run, from 1.
        of: How many the run has.
        measure: Gives the figures of the model as it stands by language, on the dev cut; None where pictures and
            texts do not share a space yet.
    """

    name: str
    number: int
    of: int
    measure: Callable[[], dict[str, Retrieval]] | None = None


class Launch:
    """Training in this process, or in some that it forks, as a recipe's lines on compute say.

    A subclass trains in processes that somebody else started: each of them then runs the whole of `trainer.fit.fit`.

    Args:
        compute: The recipe's lines on compute.
    """

    is_first = True
    """Whether this is the process that writes models, of those that run `fit` together."""

    def __init__(self, compute: Compute) -> None:
        self.compute = compute

    def trainer_options(self) -> dict[str, Any]:
        """Give Lightning's trainer its processes and precision."""
        return {
            "accelerator": "auto",
            "devices": self.compute.devices,
            # Processes start from this one, which holds the data, and the first one's weights come back to it.
            "strategy": "ddp_fork" if self.compute.devices > 1 else "auto",
            "precision": lightning_precision(self.compute.precision),
        }

    def prepared(self, trainer: L.Trainer) -> L.Trainer:
        """Take a last look at the trainer before it starts."""
        return trainer

    def callbacks(self, phase: Phase) -> list[Callback]:
        """Listen to a phase."""
        return []

    def in_turn(self) -> AbstractContextManager[None]:
        """Let the first process through alone, then the others, who find in the caches what it computed."""
        return nullcontext()

    @contextmanager
    def alone(self, file: Path) -> Iterator[None]:
        """Keep other runs on this file system out, for as long as the processes of this one are inside.

        Args:
            file: What everybody who wants to come in locks; a killed process gives it back.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file):
            yield
