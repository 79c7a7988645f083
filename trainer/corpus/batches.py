"""Batches in which no two captions of one picture meet."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Sampler

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def seed_of(seed: int, epoch: int, process: int) -> int:
    """Seed what is drawn in an epoch: it does not depend on what ran before, so a killed run goes on as it would."""
    return (seed * 100_003 + epoch) * 1009 + process


class PictureBatchSampler(Sampler[list[int]]):
    """Every picture once an epoch, its captions in turns, in an order that seed and epoch determine.

    Two captions of one picture in a batch would count as each other's negatives. So an epoch takes one item of every
    group (picture, or source sentence); the items of a group take turns over the epochs, each once before any comes
    again, in an order drawn anew for every such cycle. A picture with many captions thus weighs as much as one with
    few.

    Args:
        groups: The group of each item; at least two different ones.
        batch_size: Items a batch; the last batch of an epoch may be smaller, or larger where too few items for
            another one are left.
        seed: Determines the order together with the epoch.
        process: Which of the processes that train together this one is; it gets its share of every batch.
        processes: How many train together.

    Attributes:
        generator: Seeds what a loader's workers draw in the epoch.

    Raises:
        UserError: All items are of one group, so that nothing can be told apart.
    """

    def __init__(
        self, groups: Sequence[int], batch_size: int, seed: int, process: int = 0, processes: int = 1
    ) -> None:
        if batch_size < 2:
            raise ValueError(f"A batch of {batch_size} has no negatives; batch_size must be at least 2.")
        if len(set(groups)) < 2:
            raise UserError("Nothing can be learned from fewer than two different pictures or sentences.")
        members: dict[int, list[int]] = defaultdict(list)
        for item, group in enumerate(groups):
            members[group].append(item)
        self._members = list(members.values())
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0
        self._process, self._processes = process, processes
        # Fewer have no negatives, or leave a process without work.
        self._least = 2 * processes
        self.generator = torch.Generator()
        # Lightning looks for `set_epoch` on the sampler inside a batch sampler; here both are one.
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; Lightning calls this before each one."""
        self._epoch = epoch
        self.generator.manual_seed(seed_of(self._seed, epoch, self._process))

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(len(self._members))
        items = [self._turn(group) for group in order.tolist()]
        starts = list(range(0, len(items), self._batch_size))
        if len(items) - starts[-1] < self._least and len(starts) > 1:
            starts.pop()
        for start, end in zip(starts, [*starts[1:], len(items)], strict=True):
            yield items[start:end][self._process :: self._processes]

    def __len__(self) -> int:
        full, rest = divmod(len(self._members), self._batch_size)
        return full + (rest >= self._least or full == 0)

    def _turn(self, group: int) -> int:
        members = self._members[group]
        cycle, turn = divmod(self._epoch, len(members))
        if len(members) == 1:
            return members[0]
        return members[np.random.default_rng((self._seed, cycle, group)).permutation(len(members))[turn]]
