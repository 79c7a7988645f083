"""How training grows: with pictures, languages and batches; and what sorting sentences by length is worth."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.table import Table

from cl2cm_plugin.encoder import two_tower
from trainer.corpus.batches import PictureBatchSampler
from trainer.corpus.captioned_media import WEAK
from trainer.corpus.training_data import SentencePair, assemble
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.towers.layers import of_similar_length
from trainer.towers.trained_text import TrainedText
from training_parts.bench import CONSOLE, DEVICE, NO_LIMIT, ROUNDS, Bench, loss_of, ratio, stepper

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURES = (1_000, 10_000, 100_000)
CAPTIONS = 5
LANGUAGES = (1, 2, 4)
BATCHES = (64, 128, 256, 512)
# What `TrainedText` runs at once.
BUDGET = 2048
# So many sentences tell lengths well enough.
SENTENCES = 2000


def pictures(bench: Bench) -> None:
    """Order and lookup of an epoch's items, which is all that a step does besides computing."""
    size, settings = bench.recipe.cross_lingual.optimiser.batch_size, bench.recipe.cross_lingual
    states = {"": torch.zeros(16, 384, dtype=torch.half)}
    sides: dict[str, Callable[[int], Any]] = {}
    for number in PICTURES:
        items = [SentencePair("", "", group) for group in range(number) for _ in range(CAPTIONS)]
        network = CrossLingualNetwork(bench.text, settings, states, 0, items)
        sampler = PictureBatchSampler([item.group for item in items], size, 0)
        sides[f"order of {number}"] = lambda _, sampler=sampler: list(sampler)
        sides[f"all of {number}"] = lambda _, network=network: [None for _ in network.loader()]
    times = bench.take_turns(sides)
    table = Table(
        "pictures", "order, s", "order and lookup, s", "µs an item", "ratio an item", title="Items per epoch"
    )
    first = [value / PICTURES[0] for value in times[f"all of {PICTURES[0]}"]]
    for number in PICTURES:
        order, everything = times[f"order of {number}"], times[f"all of {number}"]
        item = [value / number for value in everything]
        seconds = (f"{statistics.median(values):.3f}" for values in (order, everything))
        table.add_row(f"{number:,}", *seconds, f"{statistics.median(item) * 1e6:.0f}", ratio(item, first))
    table.caption = f"{CAPTIONS} captions a picture, batches of {size}; set-up of the loader included"
    CONSOLE.print(table)


def languages(bench: Bench, seconds_a_sentence: float) -> None:
    """Count what more target languages bring: pairs, epochs until each was seen, states to compute and to keep."""
    source = bench.recipe.source_language
    pairs = [row for row in bench.corpus.pairs.to_list() if row["source_language"] == source and row["origin"] != WEAK]
    sizes: Counter[str] = Counter(row["target_language"] for row in pairs if row["target_language"] != source)
    own = bench.recipe.target_languages
    known = [*own, *(language for language, _ in sizes.most_common() if language not in own)]
    width = two_tower.text_route(bench.model)[0].get_embedding_dimension()
    columns = ("languages", "pairs", "pairs an epoch", "epochs to see all", "sentences", "states, MB", "states, s")
    table = Table(*columns, title="Target languages (seconds extrapolated)")
    for number in (number for number in LANGUAGES if number <= len(known)):
        data = assemble(bench.corpus, source, known[:number], bench.recipe.split)
        groups = len({pair.group for pair in data.sentence_pairs})
        texts = list(dict.fromkeys(text for pair in data.sentence_pairs for text in (pair.source, pair.target)))
        megabytes = float(np.mean(lengths(bench, texts))) * width * 2 * len(texts) / 1e6
        table.add_row(
            " ".join(known[:number]),
            f"{len(data.sentence_pairs):,}",
            f"{groups:,}",
            f"{len(data.sentence_pairs) / groups:.1f}",
            f"{len(texts):,}",
            f"{megabytes:,.0f}",
            f"{len(texts) * seconds_a_sentence:,.0f}",
        )
    CONSOLE.print(table)


def batch_size(bench: Bench) -> None:
    """Pairs a second at several batch sizes, with the word level."""
    step, network = stepper(bench.text.parameters()), bench.cross_lingual()
    batches = {len(batch): batch for size in BATCHES for batch in bench.batches(size)[:1]}
    for batch in batches.values():
        bench.compute_states(batch)
    times = bench.take_turns({str(n): lambda _, n=n: step(loss_of(network, batches[n])) for n in batches})
    table = Table("batch", "pairs/s", "ratio to the first (rounds)", title="Stage 1 by batch size")
    pair = {size: [value / size for value in times[str(size)]] for size in batches}
    for size, values in pair.items():
        table.add_row(str(size), f"{1 / statistics.median(values):.1f}", ratio(next(iter(pair.values())), values))
    CONSOLE.print(table)


def length_sorting(bench: Bench) -> None:
    """Sorting by length under a budget of tokens against padding each side to its longest sentence."""
    batches = bench.batches()
    shares = np.mean([padding(bench, batch) for batch in batches[: SENTENCES // len(batches[0])]], axis=0)
    for batch in batches[:ROUNDS]:
        bench.compute_states(batch)
    sides = [[bench.states[text] for i in batch for text in (i.source, i.target)] for batch in batches[:ROUNDS]]
    tokens = statistics.mean(sum(map(len, side)) for side in sides)
    unsorted = TrainedText(bench.model, bench.recipe.model.trained_layers, NO_LIMIT)
    step = stepper(bench.text.parameters())
    bench.text.train()
    unsorted.to(DEVICE).train()

    def padded(number: int) -> float:
        rows = sides[number % len(sides)]
        return step(torch.cat([unsorted(rows[::2]), unsorted(rows[1::2])]).square().mean())

    def ours(number: int) -> float:
        return step(bench.text(sides[number % len(sides)]).square().mean())

    times = bench.take_turns({"random": padded, "sorted": ours})
    table = Table(
        "", "padding", "tokens/s", "ratio (rounds)", title="Length sorting alone, upper layers and projection"
    )
    for name, share, values in zip(("random batches", "sorted by length"), shares, times.values(), strict=True):
        speed = f"{tokens / statistics.median(values):,.0f}"
        table.add_row(name, f"{share:.0%}", speed, ratio(times["random"], values))
    CONSOLE.print(table)


def padding(bench: Bench, batch: list[SentencePair]) -> tuple[float, float]:
    """Share of the positions of a batch that hold no token: in a plain loop, and sorted by length."""
    sides = [lengths(bench, [pair.source for pair in batch]), lengths(bench, [pair.target for pair in batch])]
    both = [*sides[0], *sides[1]]
    plain = sum(max(side) * len(side) for side in sides)
    ours = sum(max(both[row] for row in chunk) * len(chunk) for chunk in of_similar_length(both, BUDGET))
    return 1 - sum(both) / plain, 1 - sum(both) / ours


def lengths(bench: Bench, texts: list[str]) -> list[int]:
    """Count the tokens of some texts, of a sample where there are many."""
    sample = texts[:: max(1, len(texts) // SENTENCES)]
    tokenizer: Any = two_tower.text_route(bench.model)[0].tokenizer
    rows = tokenizer(sample, truncation=True, max_length=bench.recipe.model.max_tokens)["input_ids"]
    return [len(row) for row in rows]
