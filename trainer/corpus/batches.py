"""Batches in which no two captions of one picture meet."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PictureBatchSampler(Sampler[list[int]]):
    """Every item once an epoch, no two items of one group in a batch, in an order that seed and epoch determine.

    Two captions of one picture would otherwise count as each other's negatives. An epoch goes in rounds: the first
    round takes one caption of every picture, the second another one of every picture that has more, and so on.

    Args:
        groups: The group (picture) of each item.
        batch_size: Items a batch; the last of a round may be smaller, but never has fewer than two.
        seed: Determines the order together with the epoch.
    """

    def __init__(self, groups: Sequence[int], batch_size: int, seed: int) -> None:
        if batch_size < 2:
            raise ValueError(f"A batch of {batch_size} has no negatives; batch_size must be at least 2.")
        members: dict[int, list[int]] = defaultdict(list)
        for item, group in enumerate(groups):
            members[group].append(item)
        self._members = list(members.values())
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; Lightning calls this before each one."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self._seed, self._epoch))
        shuffled = [random.permutation(items).tolist() for items in self._members]
        for size in self._round_sizes():
            turn = [items[size.round] for items in shuffled if len(items) > size.round]
            random.shuffle(turn)
            for start, stop in size.slices:
                yield turn[start:stop]

    def __len__(self) -> int:
        return sum(len(size.slices) for size in self._round_sizes())

    def _round_sizes(self) -> list[_Round]:
        counts = np.asarray([len(items) for items in self._members])
        rounds = range(int(counts.max(initial=0)))
        return [_Round(round_, int((counts > round_).sum()), self._batch_size) for round_ in rounds]


class _Round:
    """How one round is cut into batches."""

    def __init__(self, round_: int, items: int, batch_size: int) -> None:
        self.round = round_
        starts = range(0, items, batch_size)
        slices = [(start, min(start + batch_size, items)) for start in starts]
        # A lone item has no negatives: it joins the batch before it, or waits for another epoch's round.
        if slices and slices[-1][1] - slices[-1][0] == 1:
            slices.pop()
            if slices:
                slices[-1] = (slices[-1][0], items)
        self.slices = slices
