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
def test_batches_have_two_or_more_different_groups_and_never_repeat_an_item(groups, size, number):
    batches = epoch(groups, size, 0, number)

    for batch in batches:
        assert len(batch) >= 2
        assert len({groups[item] for item in batch}) == len(batch)
    assert max(Counter(item for batch in batches for item in batch).values()) == 1
    assert len(PictureBatchSampler(groups, size, 0)) == len(batches)


@given(GROUPS, st.integers(2, 9))
@settings(max_examples=200, deadline=None)
def test_an_item_is_left_out_only_where_every_batch_has_its_group(groups, size):
    batches = epoch(groups, size, 0, 0)
    used = {item for batch in batches for item in batch}

    for item in set(range(len(groups))) - used:
        assert all(groups[item] in {groups[other] for other in batch} for batch in batches)


def test_every_item_comes_once_an_epoch_where_all_groups_are_equal():
    batches = epoch([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], 2, 0, 0)

    assert sorted(item for batch in batches for item in batch) == list(range(10))
    # The fifth item of a round has no other: it joins a batch without its picture.
    assert sorted(len(batch) for batch in batches) == [2, 2, 3, 3]


def test_the_surplus_captions_of_one_picture_take_turns_over_the_epochs():
    groups = [0, 0, 0, 1]
    seen = {item for number in range(40) for batch in epoch(groups, 2, 0, number) for item in batch}

    assert seen == {0, 1, 2, 3}


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
