from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from trainer.evaluation.caption_length import LengthGroup, by_length, length, unit
from trainer.evaluation.retrieval import Ranks


def measured(measure, captions, ranks, language="en"):
    measurement = measure(["en"])["en"].all
    ranks = Ranks(np.asarray(ranks), np.ones(1), np.zeros(len(ranks), int), 1)
    return replace(measurement, language=language, captions=captions, ranks=ranks)


@pytest.mark.parametrize(
    ("caption", "language", "expected"),
    [
        ("Two dogs  play.", "en", 3),
        ("Zwei Hunde", "de_CH", 2),
        ("两只狗在草地上", "zh", 7),
        ("两只 狗", "zh-Hans", 3),
        ("สุนัข", "th", 5),
        ("犬が走る", "ja_JP", 4),
        ("개가 달린다", "ko", 2),
    ],
)
def test_length_is_counted_in_words_or_in_characters_where_words_are_not_set_apart(caption, language, expected):
    assert length(caption, language) == expected


def test_the_unit_is_named():
    assert (unit("zh_TW"), unit("ZH"), unit("zha"), unit("en")) == ("characters", "characters", "words", "words")


def test_fifths_by_length_from_the_shortest(measure):
    captions = ["a " * words for words in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)]
    ranks = [11, 11, 11, 1, 10, 10, 1, 1, 1, 1]

    groups = by_length(measured(measure, captions, ranks))

    assert groups[0] == LengthGroup(1, 2, 2, 100)
    assert groups[-1] == LengthGroup(9, 10, 2, 0)
    assert [group.r10 for group in groups] == [100, 100, 100, 50, 0]


def test_captions_of_one_length_stay_together(measure):
    groups = by_length(measured(measure, ["one"] * 8 + ["two words"], [1] * 9))

    assert [(group.shortest, group.longest, group.queries) for group in groups] == [(1, 1, 8), (2, 2, 1)]


def test_every_caption_is_in_one_group(measure):
    lengths = np.random.default_rng(0).integers(1, 30, 500)
    groups = by_length(measured(measure, ["字" * n for n in lengths], [1] * 500, "zh"))

    assert sum(group.queries for group in groups) == 500
    assert len(groups) == 5
    assert all(before.longest < after.shortest for before, after in pairwise(groups))
