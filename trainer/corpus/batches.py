"""Batches in which no two captions of one picture meet."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PictureBatchSampler(Sampler[list[int]]):
    """Items at most once an epoch, no two items of one group in a batch, in an order that seed and epoch determine.

    Two captions of one picture would otherwise count as each other's negatives. An epoch goes in rounds: the first
    round takes one caption of every picture, the second another one of every picture that has more, and so on; batches
    do not cross rounds. An item that is left alone has no negatives of its own and joins a batch without its group;
    where there is none, as with a picture that has far more captions than all others, it waits for another epoch.

    Args:
        groups: The group (picture) of each item; at least two different ones.
        batch_size: Items a batch; the last batch of a round may be smaller, and one that took in an item that was left
            alone is larger.
        seed: Determines the order together with the epoch.

    Raises:
        UserError: All items are of one group, so that nothing can be told apart.
    """

    def __init__(self, groups: Sequence[int], batch_size: int, seed: int) -> None:
        if batch_size < 2:
            raise ValueError(f"A batch of {batch_size} has no negatives; batch_size must be at least 2.")
        if len(set(groups)) < 2:
            raise UserError("Nothing can be learned from fewer than two different pictures or sentences.")
        members: dict[int, list[int]] = defaultdict(list)
        for item, group in enumerate(groups):
            members[group].append(item)
        self._groups = list(groups)
        self._members = list(members.values())
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0
        # Lightning looks for `set_epoch` on the sampler inside a batch sampler; here both are one.
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; Lightning calls this before each one."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        batches = []
        for batch in self._rounds():
            if len(batch) > 1:
                batches.append(batch)
                continue
            group = self._groups[batch[0]]
            hosts = [host for host in batches if group not in {self._groups[item] for item in host}]
            if hosts:
                min(hosts, key=len).extend(batch)
        yield from batches

    def __len__(self) -> int:
        counts = np.asarray([len(items) for items in self._members])
        turns = ((counts > round_).sum() for round_ in range(int(counts.max())))
        return int(sum(turn // self._batch_size + (turn % self._batch_size > 1) for turn in turns))

    def _rounds(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self._seed, self._epoch))
        shuffled = [random.permutation(items).tolist() for items in self._members]
        for round_ in range(max(map(len, shuffled))):
            turn = [items[round_] for items in shuffled if len(items) > round_]
            random.shuffle(turn)
            yield from (turn[start : start + self._batch_size] for start in range(0, len(turn), self._batch_size))
