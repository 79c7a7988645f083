from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from datasets import Dataset

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.corpus.pair_filter import look_right, trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from trainer.corpus.captioned_media import CaptionedMedia

PLACES = np.random.default_rng(0).normal(size=(400, 16))


def encode(sentences: Sequence[str]) -> np.ndarray:
    """``en 7``, ``de 7``: number 7 has a place of its own, near which each language puts it; languages lie apart."""
    vectors = []
    for sentence in sentences:
        language, number = sentence.split()[:2]
        shift = np.random.default_rng(len(sentence)).normal(size=16) * 0.1
        vectors.append(PLACES[int(number)] + shift + 50 * (language == "de"))
    return np.array(vectors)


def numbered(count: int, wrong: Sequence[int] = ()) -> list[tuple[str, str]]:
    """Pairs of equal numbers, but for those that are to be wrong: these have each other's."""
    givers = dict(zip(wrong, [*wrong[1:], *wrong[:1]], strict=True))
    return [(f"en {place}", f"de {givers.get(place, place)}") for place in range(count)]


def test_right_pairs_stay_and_wrong_ones_do_not():
    wrong = list(range(0, 400, 4))

    right = look_right(numbered(400, wrong), encode, nearest=2, among=400)

    assert right[[place for place in range(400) if place % 4]].all()
    assert right[wrong].mean() < 0.05


def test_of_wrong_pairs_as_many_stay_as_chance_lets():
    # All of them wrong: one place of 400 in either direction for each of the nearest.
    right = look_right(numbered(400, range(400)), encode, nearest=40, among=400)

    assert 0.1 < right.mean() < 0.25


def test_one_side_that_finds_the_other_is_enough():
    # Everyone's target is nearest to the same source, so that only targets are found.
    pairs = [*numbered(20), *(("en 1", f"de {number}") for number in range(20, 24))]

    assert look_right(pairs, encode, nearest=1, among=24)[:20].all()


def test_the_order_of_the_pairs_changes_no_answer():
    pairs = numbered(300, range(0, 300, 3))
    order = np.random.default_rng(1).permutation(300)

    answers = look_right(pairs, encode, nearest=3, among=100)
    again = look_right([pairs[place] for place in order], encode, nearest=3, among=100)

    np.testing.assert_array_equal(again, answers[order])


def test_few_pairs_are_held_to_the_same_chance():
    # 10 of 1,500 would be 10 of 30: as good as everything.
    wrong = range(0, 30, 2)

    right = look_right(numbered(30, wrong), encode, nearest=10, among=1500)

    assert right[1::2].all()
    assert right[wrong].mean() < 0.2


def test_a_sentence_that_comes_twice_does_not_stand_in_its_own_way():
    pairs = [*numbered(20), *numbered(20)]

    assert look_right(pairs, encode, nearest=1, among=40).all()


def test_the_same_sentence_everywhere_is_no_error():
    assert look_right([("en 1", "de 1")] * 3, encode, nearest=1, among=10).all()


@pytest.fixture
def of_rows(colours: Path) -> Callable[..., CaptionedMedia]:
    """A corpus with these pairs alone: source, target, target language, origin."""

    def make(*rows: tuple[str, str, str, str]) -> CaptionedMedia:
        columns = ("source", "target", "target_language", "origin")
        pairs = [{"source_language": "en", **dict(zip(columns, row, strict=True))} for row in rows]
        read = corpus.read(colours)
        return replace(read, pairs=Dataset.from_list(pairs, features=read.pairs.features))

    return make


def test_only_translations_that_training_takes_are_judged(of_rows):
    wrong = [("en 1", "de 2", "de", "human"), ("en 2", "de 1", "de", "human")]
    right = [(f"en {place}", f"de {place}", "de", "human") for place in range(3, 30)]
    others = [("en 1", "de 5", "de", "mt"), ("en 1", "de 7", "de", "weak"), ("en 1", "en 9", "en", "human")]
    read = of_rows(*wrong, *right, *others)

    left, doubtful = trusted(read, lambda row: row["origin"] != "mt", encode, nearest=1, among=29)

    assert [(row["source"], row["target"]) for row in left.pairs.to_list()] == [row[:2] for row in [*right, *others]]
    assert [(one.languages, one.of, one.pairs) for one in doubtful] == [("en-de", 29, [row[:2] for row in wrong])]
    assert str(doubtful[0]) == '2 of 29 en-de pairs ("en 1" | "de 2")'


def test_a_language_pair_of_which_nothing_stays_is_said(of_rows):
    read = of_rows(*((f"en {place}", f"de {(place + 200) % 400}", "de", "human") for place in range(400)))

    def blind(sentences: Sequence[str]) -> np.ndarray:
        # What a side says of itself points away from what the other says of it.
        sign = 1 if sentences[0].startswith("en") else -1
        return sign * PLACES[[int(sentence.split()[1]) % 200 for sentence in sentences]]

    with pytest.raises(UserError, match=r"pair_filter takes every en-de pair .* Raise its line nearest"):
        trusted(read, lambda _: True, blind, nearest=1, among=400)
