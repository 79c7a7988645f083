from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl2cm_plugin.errors import UserError
from trainer.corpus.batches import PictureBatchSampler

GROUPS = st.lists(st.integers(0, 12), max_size=60).filter(lambda groups: len(set(groups)) > 1)


def epoch(groups: list[int], size: int, seed: int, number: int) -> list[list[int]]:
    sampler = PictureBatchSampler(groups, size, seed)
    sampler.set_epoch(number)
    return list(sampler)


@given(GROUPS, st.integers(2, 9), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_an_epoch_takes_one_item_of_every_group(groups, size, number):
    batches = epoch(groups, size, 0, number)

    taken = [groups[item] for batch in batches for item in batch]
    assert sorted(taken) == sorted(set(groups))
    assert all(2 <= len(batch) <= size + 1 for batch in batches)
    assert len(PictureBatchSampler(groups, size, 0)) == len(batches)


@given(GROUPS, st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_the_items_of_a_group_take_turns(groups, seed):
    counts = Counter(groups)
    group, count = counts.most_common(1)[0]
    cycles = [
        [item for batch in epoch(groups, 4, seed, number) for item in batch if groups[item] == group]
        for number in range(2 * count)
    ]

    for cycle in (cycles[:count], cycles[count:]):
        assert sorted(item for items in cycle for item in items) == [i for i, g in enumerate(groups) if g == group]


@given(GROUPS.filter(lambda groups: len(set(groups)) > 3), st.integers(4, 9), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_processes_share_every_batch(groups, size, number):
    shares = []
    for process in range(2):
        sampler = PictureBatchSampler(groups, size, 0, process, 2)
        sampler.set_epoch(number)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1])

    whole = [sorted([*one, *other]) for one, other in zip(*shares, strict=True)]
    assert all(one and other for one, other in zip(*shares, strict=True))
    assert sorted(groups[item] for batch in whole for item in batch) == sorted(set(groups))


def test_seed_and_epoch_determine_the_order():
    groups = list(range(20)) * 2

    assert epoch(groups, 4, 0, 1) == epoch(groups, 4, 0, 1)
    assert epoch(groups, 4, 0, 1) != epoch(groups, 4, 0, 2)
    assert epoch(groups, 4, 0, 1) != epoch(groups, 4, 1, 1)


def test_a_batch_of_one_has_no_negatives():
    with pytest.raises(ValueError, match="at least 2"):
        PictureBatchSampler([0, 1], 1, 0)


def test_items_of_one_group_are_refused():
    with pytest.raises(UserError, match="fewer than two different"):
        PictureBatchSampler([3, 3, 3], 2, 0)
