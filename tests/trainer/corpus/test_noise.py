from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.corpus.noise import Noise, add_noise, noisy_corpus
from trainer.corpus.training_data import CaptionedPicture, SentencePair

RATES = ("drop", "swap", "replace", "wrong_pairs")
RATE = st.floats(0, 1)
WORDS = st.lists(st.sampled_from(["ein", "hund", "rennt", "schnell", "犬", "が", "走る。"]), min_size=1, max_size=8)
PAIRS = st.lists(WORDS.map(" ".join), max_size=12).map(
    lambda targets: [SentencePair(f"sentence {place % 5}", target, place) for place, target in enumerate(targets)]
)


def pair(target: str, source: str = "a sentence") -> SentencePair:
    return SentencePair(source, target, 0)


def numbered(count: int) -> list[SentencePair]:
    return [SentencePair(f"source {place}", f"target {place}", place) for place in range(count)]


@given(PAIRS, st.integers(0, 3))
def test_no_noise_changes_nothing(pairs, seed):
    assert add_noise(pairs, seed=seed) == pairs


@given(PAIRS, RATE, RATE, RATE, RATE, st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_whatever_the_rates_no_target_is_empty_and_sources_stay(pairs, drop, swap, replace, wrong, seed):
    noisy = add_noise(pairs, drop, swap, replace, wrong, seed)

    assert all(row.target.strip() for row in noisy)
    assert [(row.source, row.group) for row in noisy] == [(row.source, row.group) for row in pairs]
    assert noisy == add_noise(pairs, drop, swap, replace, wrong, seed)


def test_of_a_sentence_that_loses_every_word_one_stays():
    (noisy,) = add_noise([pair("ein hund rennt")], drop=1)

    assert noisy.target in {"ein", "hund", "rennt"}


def test_words_are_dropped_at_the_rate():
    (noisy,) = add_noise([pair(" ".join(str(number) for number in range(2000)))], drop=0.3)

    assert len(noisy.target.split()) == pytest.approx(1400, abs=80)


def test_what_a_lower_rate_drops_a_higher_one_drops_as_well():
    sentence = pair(" ".join(str(number) for number in range(50)))
    few, many = (set(add_noise([sentence], drop=rate)[0].target.split()) for rate in (0.2, 0.5))

    assert many < few


def test_at_rate_one_every_word_changes_places_with_its_neighbour_once():
    (noisy,) = add_noise([pair("a b c d e")], swap=1)

    assert noisy.target == "b a d c e"


def test_at_rate_one_every_word_becomes_another_word_of_the_targets():
    noisy = add_noise([pair("a b"), pair("c a")], replace=1)

    for before, after in zip(["a b", "c a"], noisy, strict=True):
        for word, other in zip(before.split(), after.target.split(), strict=True):
            assert other in {"a", "b", "c"} - {word}


def test_a_corpus_of_one_word_has_no_other_to_put_in_its_place():
    assert add_noise([pair("rot")], replace=1) == [pair("rot")]


@pytest.mark.parametrize(
    ("target", "swapped"),
    [("红狗跑", "狗红跑"), ("赤い犬", "い赤犬"), ("一只 dog 跑。", "只一跑dog。"), ("red dog", "dog red")],
)
def test_characters_of_chinese_and_japanese_are_words_and_stay_without_spaces(target, swapped):
    assert add_noise([pair(target)], swap=1)[0].target == swapped


def test_wrong_pairs_exchange_their_targets_and_all_others_keep_theirs():
    pairs = numbered(20)
    noisy = add_noise(pairs, wrong_pairs=0.25)

    assert sum(before != after for before, after in zip(pairs, noisy, strict=True)) == 5
    assert Counter(row.target for row in noisy) == Counter(row.target for row in pairs)


@given(st.integers(2, 30), st.integers(0, 20))
def test_at_rate_one_every_pair_is_wrong(count, seed):
    noisy = add_noise(numbered(count), wrong_pairs=1, seed=seed)

    assert all(before.target != after.target for before, after in zip(numbered(count), noisy, strict=True))


@given(st.integers(0, 30))
def test_another_translation_of_the_same_sentence_is_no_wrong_target(seed):
    right = {"a dog": {"ein hund", "hund"}, "a cat": {"eine katze", "katze"}}
    pairs = [pair(target, source) for source, targets in right.items() for target in sorted(targets)]

    assert all(row.target not in right[row.source] for row in add_noise(pairs, wrong_pairs=1, seed=seed))


def test_one_pair_alone_cannot_be_wrong():
    assert add_noise(numbered(1), wrong_pairs=1) == numbered(1)


@given(st.permutations(range(8)))
def test_the_order_of_the_pairs_does_not_matter(order):
    pairs = [pair(f"ein hund {place} rennt schnell", f"sentence {place}") for place in range(8)]
    rates = {"drop": 0.3, "swap": 0.3, "replace": 0.3, "wrong_pairs": 0.5}
    noisy = add_noise(pairs, **rates, seed=1)

    assert add_noise([pairs[place] for place in order], **rates, seed=1) == [noisy[place] for place in order]


def test_another_seed_makes_other_noise():
    assert len({tuple(add_noise(numbered(20), drop=0.5, seed=seed)) for seed in range(4)}) == 4


def test_captioned_pictures_get_the_noise_of_their_sentence_pair():
    target = "ein hund rennt schnell"
    (sentence,) = add_noise([pair(target)], drop=0.5, swap=0.5)
    (picture,) = add_noise([CaptionedPicture("dog.png", "a sentence", target, 7)], drop=0.5, swap=0.5)

    assert picture == CaptionedPicture("dog.png", "a sentence", sentence.target, 7)


def test_in_a_corpus_pairs_get_noise_and_captions_do_not(colours):
    clean = corpus.read(colours)
    noisy = noisy_corpus(clean, Noise(wrong_pairs=1))

    assert noisy.captions == clean.captions
    assert Counter(noisy.pairs["target"][:]) == Counter(clean.pairs["target"][:])
    assert noisy.pairs["target"][:] != clean.pairs["target"][:]
    assert noisy.pairs["origin"][:] == clean.pairs["origin"][:]


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_rate_that_is_none_is_named(name, rate):
    with pytest.raises(UserError, match=f"The noise {name} is .*wanted a rate from 0 to 1"):
        add_noise([pair("rot")], **{name: rate})
