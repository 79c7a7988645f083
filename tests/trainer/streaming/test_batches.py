"""Batches out of a stream: each item once, groups apart, as many batches for every process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from trainer.streaming import shards
from trainer.streaming.batches import StreamedBatches, loader
from trainer.streaming.items import SentencePairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainer.streaming.shards import Turn


@pytest.fixture
def pairs(numbers, recipe_of) -> Callable[..., SentencePairs]:
    return lambda **options: SentencePairs(numbers(**options), recipe_of())


def sources(batches: StreamedBatches, epoch: int = 0) -> list[list[str]]:
    batches.set_epoch(epoch)
    return [[item.source for item in batch] for batch in batches]


def all_of(batches: list[list[str]]) -> list[str]:
    return sorted((source for batch in batches for source in batch), key=int)


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize(("processes", "batch_size"), [(1, 8), (2, 8), (3, 8), (3, 11), (9, 18)])
def test_every_item_comes_once_in_as_many_batches_for_every_process(pairs, processes, batch_size, epoch):
    shares = [StreamedBatches(pairs(), 90, batch_size, 0, process, processes) for process in range(processes)]

    found = [sources(share, epoch) for share in shares]

    assert all_of([batch for share in found for batch in share]) == [str(number) for number in range(90)]
    assert {len(share) for share in found} == {len(shares[0])}
    together = [sum(map(len, of_all)) for of_all in zip(*found, strict=True)]
    assert max(together) <= batch_size
    assert max(together) - min(together) <= 1
    assert min(len(batch) for share in found for batch in share) > 0


def test_where_shards_are_few_processes_share_the_batches_of_one(pairs):
    table = pairs()
    assert not table.table.comes_apart(2)

    alone = sources(StreamedBatches(table, 90, 8, 5), epoch=2)
    first, second = (sources(StreamedBatches(table, 90, 8, 5, process, 2), epoch=2) for process in range(2))

    assert [batch[0::2] for batch in alone] == first
    assert [batch[1::2] for batch in alone] == second


def test_a_process_that_has_its_own_shards_does_not_read_those_of_others(pairs, monkeypatch):
    asked = []
    rows = shards.Table.rows
    monkeypatch.setattr(
        shards.Table, "rows", lambda *args, **options: (asked.append(args[1]), rows(*args, **options))[1]
    )

    sources(StreamedBatches(pairs(), 90, 9, 0, 1, 3))

    assert {(turn.process, turn.processes) for turn in asked} == {(1, 3)}


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_open_the_batches_of_one_process_in_its_order(pairs, workers):
    batches = StreamedBatches(pairs(), 90, 8, 0)

    loaded = list(loader(batches, _source, list, workers))

    assert loaded == sources(batches)


def _source(item: Any) -> str:
    return item.source


@dataclass(frozen=True)
class Letter:
    group: int
    number: int


class Letters:
    """Items of groups that are given letter by letter."""

    table: Any = type("Table", (), {"comes_apart": lambda *_: False})()

    def __init__(self, letters: str) -> None:
        self._items = [Letter(ord(letter), number) for number, letter in enumerate(letters)]
        self.given = 0

    def stream(self, turn: Turn) -> Iterator[Letter]:
        for item in self._items:
            self.given += 1
            yield item

    def count(self, turn: Turn) -> Counter[str]:
        return Counter({"": len(self._items)})


def letters_of(letters: str, batch_size: int) -> list[str]:
    batches = StreamedBatches(Letters(letters), len(letters), batch_size, 0)
    return ["".join(chr(item.group) for item in batch) for batch in batches]


def test_an_item_waits_for_a_batch_without_its_group():
    assert letters_of("aabcabcd", 4) == ["abcd", "abc"]


def test_items_that_wait_come_first_and_in_their_order():
    assert letters_of("abbacd", 3) == ["abc", "bad"]


def test_what_a_group_has_too_many_of_is_left_out():
    # Four batches, so at most four of one group come; no more than a batch of them ever waits.
    assert letters_of("aaaaaaaab", 3) == ["ab", "a", "a"]


def test_waiting_items_are_few():
    letters = Letters("a" * 1000 + "bcdefghijklmnopqrstuvwxy")
    batches = iter(StreamedBatches(letters, 1024, 4, 0))

    assert [chr(item.group) for item in next(batches)] == ["a", "b", "c", "d"]
    # Of a thousand, four wait; the others were given up.
    assert [[item.number for item in batch if chr(item.group) == "a"] for batch in batches][:6] == [
        [1],
        [2],
        [3],
        [4],
        [],
        [],
    ]
