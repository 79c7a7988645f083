"""Batches out of a stream: every item once an epoch, no two of one group together, as many for every process."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from trainer.corpus.batches import seed_of
from trainer.streaming.shards import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainer.streaming.items import Items


class StreamedBatches(Sampler[list[Any]]):
    """The batches of an epoch, each this process's share of a batch that all processes make together.

    Where there are shards enough, every process reads its own and spreads what is in them evenly over the batches: all
    take the same number of steps, and nothing is left over, though no process knows what the others have. Otherwise
    every process reads everything, and takes its part of each batch.

    An item whose group is in the batch already waits for a later one. At most a batch of items waits; what is beyond
    that, and what waits at an epoch's end, is left out of the epoch.

    Args:
        items: What to stream.
        total: How many items an epoch has.
        batch_size: Items that a batch has at most, over all processes.
        seed: Determines the order together with the epoch.
        process: Which of the processes that train together this one is.
        processes: How many there are.

    Attributes:
        generator: Seeds what a loader's workers draw in the epoch.
    """

    def __init__(
        self, items: Items, total: int, batch_size: int, seed: int, process: int = 0, processes: int = 1
    ) -> None:
        self._items, self._total = items, total
        self._batch_size, self._seed, self._epoch = batch_size, seed, 0
        self._process, self._processes = process, processes
        self.generator = torch.Generator()
        # Lightning looks for `set_epoch` on the sampler inside a batch sampler; here both are one.
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; Lightning calls this before each one."""
        self._epoch = epoch
        self.generator.manual_seed(seed_of(self._seed, epoch, self._process))

    def __len__(self) -> int:
        return max(1, -(-self._total // self._batch_size))

    def __iter__(self) -> Iterator[list[Any]]:
        if self._items.table.comes_apart(self._processes):
            turn = Turn(self._seed, self._epoch, self._process, self._processes)
            yield from self._batches(turn, self._items.count(turn)[""])
            return
        for batch in self._batches(Turn(self._seed, self._epoch), self._total):
            yield batch[self._process :: self._processes]

    def _batches(self, turn: Turn, total: int) -> Iterator[list[Any]]:
        """Give the batches of the items of a turn, of which there are so many."""
        items, waiting = self._items.stream(turn), deque[Any]()
        # Each process rounds elsewhere, so that what all take together is even as well (Hermite's identity).
        ends = [
            (number * total * turn.processes + turn.process * len(self)) // (len(self) * turn.processes)
            for number in range(len(self) + 1)
        ]
        for size in (end - start for start, end in pairwise(ends)):
            batch: dict[int, Any] = {}
            for _ in range(len(waiting)):
                item = waiting.popleft()
                if len(batch) < size and item.group not in batch:
                    batch[item.group] = item
                else:
                    waiting.append(item)
            while len(batch) < size and (item := next(items, None)) is not None:
                if item.group not in batch:
                    batch[item.group] = item
                elif len(waiting) < self._batch_size:
                    waiting.append(item)
            yield list(batch.values())


class _Opened(Dataset[Any]):
    """Opens what it is asked for: its indices are the items themselves."""

    def __init__(self, opened: Callable[[Any], Any]) -> None:
        self._open = opened

    def __getitem__(self, item: Any) -> Any:
        return self._open(item)


def loader(
    batches: StreamedBatches, opened: Callable[[Any], Any], collate: Callable[[list[Any]], Any], workers: int
) -> DataLoader[Any]:
    """Load batches: one process reads the rows, so no worker sees a row of another's; the workers open them.

    Args:
        batches: The batches of an epoch.
        opened: Makes of an item what a batch is made of; the slow part.
        collate: Makes a batch.
        workers: Processes that open and collate; 0 does so here.
    """
    return DataLoader(
        _Opened(opened),
        batch_sampler=batches,
        collate_fn=collate,
        generator=batches.generator,
        num_workers=workers,
    )
