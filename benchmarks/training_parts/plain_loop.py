"""Stage 1 against a plain loop that comes to the same loss."""

from __future__ import annotations

import copy
import statistics
import sys
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from trainer.methods.precision import lightning_precision
from trainer.objectives.contrastive import contrastive
from trainer.objectives.word_alignment import transport_distance
from training_parts.bench import CONSOLE, DEVICE, Bench, loss_of, ratio, stepper

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

    from trainer.corpus.training_data import SentencePair
    from trainer.methods.cross_lingual import CrossLingualNetwork
    from trainer.recipe import Recipe

# Frozen states are kept in half precision, so both sides agree to about its rounding and not further.
TOLERANCE = 5e-3


class PlainLoop(nn.Module):
    """Stage 1 as one writes it first: tokenise a batch, pad it, run the whole backbone, lower layers without gradient.

    Args:
        model: A copy of the model, which is trained in place.
        recipe: How many layers are trained, and the weights of the losses.
    """

    def __init__(self, model: SentenceTransformer, recipe: Recipe) -> None:
        super().__init__()
        transformer, _, projection = two_tower.text_route(model)
        self.tokenizer: Any = transformer.tokenizer
        self.backbone: Any = transformer.model
        self.linear = projection.linear
        self.limit, self.settings = recipe.model.max_tokens, recipe.cross_lingual
        self.backbone.requires_grad_(False)
        layers = self.backbone.encoder.layer
        for layer in layers[len(layers) - int(recipe.model.trained_layers) :]:
            layer.requires_grad_(True)

    def forward(self, items: list[SentencePair]) -> Tensor:
        """Compute the loss of a batch: sentence level, and word level by optimal transport."""
        source, source_words, source_mask = self._encode([item.source for item in items])
        target, target_words, target_mask = self._encode([item.target for item in items])
        word: Any = self.settings.word_alignment
        groups = torch.tensor([item.group for item in items], device=DEVICE)
        sentence_level = contrastive(source, target, groups, self.settings.temperature)
        words = (source_words, target_words, source_mask, target_mask)
        return sentence_level + word.weight * transport_distance(*words, word.beta, word.iterations)

    def _encode(self, texts: list[str]) -> tuple[Tensor, Tensor, Tensor]:
        inputs = self.tokenizer(texts, padding=True, truncation=True, max_length=self.limit, return_tensors="pt")
        inputs = inputs.to(DEVICE)
        hidden, mask = self.backbone(**inputs).last_hidden_state, inputs["attention_mask"].bool()
        weights = mask[..., None].to(hidden.dtype)
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        return F.normalize(self.linear(mean), dim=-1), self.linear(hidden), mask


def against_plain_loop(bench: Bench) -> float:
    """Compare with the plain loop; gives the seconds that the states of a sentence take, once."""
    network, batches = bench.cross_lingual(), bench.batches()
    loop = PlainLoop(copy.deepcopy(bench.model), bench.recipe).to(DEVICE)
    ours, plain = stepper(bench.text.parameters()), stepper(loop.parameters())
    bench.compute_states(batches[0])
    check_same_step(loss_of(network.eval(), batches[0]), ours, loop.eval()(batches[0]), plain)
    with torch.inference_mode():
        print(f"The next step's loss, ours: {loss_of(network, batches[0]):.6f}", end="")
        print(f", in bfloat16 {_loss_in_bfloat16(network, batches[0]):.6f}")
    network.train()
    loop.train()
    sides: dict[str, Callable[[int], Any]] = {
        "plain": lambda number: plain(loop(batches[number])),
        # The cache is empty: each round has sentences that no round had before.
        "states": lambda number: bench.compute_states(batches[number]),
        "ours": lambda number: ours(loss_of(network, batches[number])),
    }
    if lightning_precision("auto") == "bf16-mixed":
        sides["bfloat16"] = lambda number: ours(_loss_in_bfloat16(network, batches[number]))
    times = bench.take_turns(sides, len(batches))
    size, pairs = len(batches[0]), len(set(bench.groups))
    rows = {"plain loop": times["plain"], "first epoch": _together(times["states"], times["ours"])}
    rows["later epochs"] = times["ours"]
    if "bfloat16" in times:
        rows["first epoch, bfloat16"] = _together(times["states"], times["bfloat16"])
        rows["later epochs, bfloat16"] = times["bfloat16"]
    table = Table("", "pairs/s", "times the plain loop", title=f"Stage 1 against a plain loop, batches of {size}")
    for name, values in rows.items():
        table.add_row(name, f"{size / statistics.median(values):.1f}", ratio(times["plain"], values))
    CONSOLE.print(table)
    sentence = statistics.median(times["states"]) / (2 * size)
    once = sentence * len({text for pair in bench.data.sentence_pairs for text in (pair.source, pair.target)})
    saved = (statistics.median(times["plain"]) - statistics.median(times["ours"])) * pairs / size
    verdict = f"paid back after {once / saved:.2f} epochs" if saved > 0 else "never paid back"
    print(f"States of all sentences: {once:.0f} s, once (extrapolated); {verdict}.")
    return sentence


def _loss_in_bfloat16(network: CrossLingualNetwork, batch: list[SentencePair]) -> Tensor:
    """Compute the loss as training does where the hardware multiplies in bfloat16."""
    with torch.autocast(DEVICE.type, torch.bfloat16):
        return loss_of(network, batch)


def _together(states: list[float], steps: list[float]) -> list[float]:
    return [computing + step for computing, step in zip(states, steps, strict=True)]


def check_same_step(ours: Tensor, our_step: Callable, plain: Tensor, plain_step: Callable) -> None:
    """Make sure that both sides compute the same; ratios of different things say nothing."""
    pairs = {
        "loss": (float(ours.detach()), float(plain.detach())),
        "gradient's length": (our_step(ours), plain_step(plain)),
    }
    for name, (mine, other) in pairs.items():
        print(f"First step without dropout, {name}: ours {mine:.6f}, plain loop {other:.6f}")
        if not abs(mine - other) <= TOLERANCE * abs(other):
            sys.exit(f"They differ by more than {TOLERANCE:.1%}, so there is nothing to compare.")
