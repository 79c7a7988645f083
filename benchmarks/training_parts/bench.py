"""What the measurements share: the towers, the batches, the clock, and how ratios are taken and shown."""

from __future__ import annotations

import contextlib
import io
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities import move_data_to_device
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from trainer.corpus.batches import PictureBatchSampler
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.recipe_forms import TrainedSources
from trainer.towers.feature_cache import FeatureCache
from trainer.towers.frozen_text import FrozenText
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sentence_transformers import SentenceTransformer

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.corpus.training_data import SentencePair, TrainingData
    from trainer.methods.stage import Stage
    from trainer.recipe import Recipe

    # What each side took, round by round.
    Times = dict[str, list[float]]

ROUNDS = 3
NO_LIMIT = 10**9
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# Wide enough for every table, also in a file.
CONSOLE = Console(width=112)
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass
class Bench:
    """What the measurements share; the text tower is that of the recipe, its lower layers' states not yet computed.

    Attributes:
        states: Frozen states by sentence, as far as they were computed.
    """

    recipe: Recipe
    corpus: CaptionedMedia
    data: TrainingData
    model: SentenceTransformer
    seconds: float
    clock: Callable[[], float]
    states: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = self.recipe.model.trained_layers
        self.frozen = FrozenText(self.model, layers, FeatureCache("text", "benchmark"))
        self.text = TrainedText(self.model, layers).to(DEVICE)
        self.groups = [pair.group for pair in self.data.sentence_pairs]

    def batches(self, size: int | None = None) -> list[list[SentencePair]]:
        """Draw the full batches of an epoch of stage 1, or one smaller batch where there is no full one."""
        size = size or self.recipe.cross_lingual.optimiser.batch_size
        batches = [
            [self.data.sentence_pairs[row] for row in rows] for rows in PictureBatchSampler(self.groups, size, 0)
        ]
        return [batch for batch in batches if len(batch) == size] or batches

    def compute_states(self, items: Iterable[Any]) -> None:
        """Compute the frozen states that these items need and that are not known yet."""
        # Its progress bar would stand between the tables.
        with contextlib.redirect_stdout(io.StringIO()):
            self.states.update(self.frozen.states([text for item in items for text in (item.source, item.target)]))

    def cross_lingual(self, **changes: Any) -> CrossLingualNetwork:
        """Make stage 1's network on the shared text tower; it trains both sides, as the plain loop does."""
        settings = self.recipe.cross_lingual.model_copy(update={"sources": TrainedSources(), **changes})
        return CrossLingualNetwork(self.text, settings, self.states, 0).to(DEVICE).train()

    def take_turns(self, sides: dict[str, Callable[[int], Any]], rounds: int = NO_LIMIT) -> Times:
        """Time the sides in turn, until the seconds are over; the first round warms up."""
        times: Times = {name: [] for name in sides}
        start = time.perf_counter()
        for number in range(rounds):
            for name, side in sides.items():
                begin = self._now()
                side(number)
                times[name].append(self._now() - begin)
            if number >= ROUNDS and time.perf_counter() - start > self.seconds:
                break
        return {name: values[1:] or values for name, values in times.items()}

    def _now(self) -> float:
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return self.clock()


def loss_of(stage: Stage, items: list[Any]) -> Tensor:
    """Compute the loss of some items as training does."""
    return torch.stack(list(stage.losses(move_data_to_device(stage.collate(items), DEVICE)).values())).sum()


def stepper(parameters: Iterable[nn.Parameter]) -> Callable[[Tensor], float]:
    """Make the function that takes a step down from a loss and gives the length of its gradient."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-5)

    def step(loss: Tensor) -> float:
        optimiser.zero_grad()
        loss.backward()
        length = float(nn.utils.clip_grad_norm_(trained, 1.0))
        optimiser.step()
        return length

    return step


def ratio(base: Sequence[float], values: Sequence[float]) -> str:
    """Say how many times a base the values are: median, smallest and largest of the rounds."""
    ratios = sorted(first / second for first, second in zip(base, values, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def show_costs(title: str, times: Times) -> None:
    """Print what each side takes, and its ratio to the first."""
    base = next(iter(times.values()))
    table = Table("", "ms, median", "ms, least", "ratio to the first (rounds)", title=f"{title}: {len(base)} rounds")
    for name, values in times.items():
        table.add_row(name, f"{statistics.median(values) * 1e3:.0f}", f"{min(values) * 1e3:.0f}", ratio(values, base))
    CONSOLE.print(table)
