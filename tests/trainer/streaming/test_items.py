"""What a recipe takes of a corpus in shards is what it takes of the same corpus in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer import corpus
from trainer.fit import training_data
from trainer.streaming import shards, writing
from trainer.streaming.items import CaptionedPictures, SentencePairs, number
from trainer.streaming.shards import Turn

POISON = "GIFT"


@pytest.fixture
def both(colours, tmp_path):
    """The colours with a second target language, weak pairs and pairs of another origin: in memory and in shards."""
    french = ["source\ttarget\torigin", "red\trouge\tmt", "a red picture\timage rouge\thuman", "blue\tbleu\tmt"]
    (colours / "pairs" / "en-fr.tsv").write_text("\n".join(french) + "\n", encoding="utf-8")
    weak = ["source\ttarget\torigin", "red\ta red picture\tweak"]
    (colours / "pairs" / "en-en.tsv").write_text("\n".join(weak) + "\n", encoding="utf-8")
    read = corpus.read(colours)
    writing.write(read, tmp_path / "shards", "train", rows=3)
    return read, shards.read(tmp_path / "shards")


RECIPES = {
    "plain": {},
    "two languages": {"target_languages": ["de", "fr"]},
    "an origin": {"target_languages": ["de", "fr"], "origins": ["mt"]},
    "untranslated": {"target_languages": ["fr"], "cross_modal": {"untranslated": True}},
    "supervised": {"cross_modal": {"supervised": True}},
    "source alone": {"target_languages": [], "cross_modal": {"distillation": {"form": "off"}}},
    "same picture": {"same_picture": True},
}


@pytest.mark.parametrize("name", RECIPES)
def test_pictures_take_their_captions_in_turns(name, both, recipe_of):
    recipe, (in_memory, sharded) = recipe_of(**RECIPES[name]), both
    pictures = CaptionedPictures(sharded.pictures, recipe)
    wanted: dict[str, list] = {}
    for row in training_data(recipe, in_memory).captioned_pictures:
        wanted.setdefault(Path(row.file).stem, []).append((row.source, row.target))

    longest = max(map(len, wanted.values()))
    epochs = [
        {row.media_id: (row.source, row.target) for row in pictures.stream(Turn(0, epoch))} for epoch in range(longest)
    ]

    for media_id, captions in wanted.items():
        # Each once before any comes again.
        assert sorted(map(str, (epoch[media_id] for epoch in epochs[: len(captions)]))) == sorted(map(str, captions))
    assert all(set(epoch) == set(wanted) for epoch in epochs)
    assert pictures.count(Turn(0, 0))[""] == len(wanted)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "source alone"])
def test_sentence_pairs_are_those_of_the_recipe(name, both, recipe_of):
    recipe, (in_memory, sharded) = recipe_of(**RECIPES[name]), both
    pairs = SentencePairs(sharded.pairs, recipe)

    streamed = sorted((pair.source, pair.target) for pair in pairs.stream(Turn(0, 0)))

    assert streamed == sorted((pair.source, pair.target) for pair in training_data(recipe, in_memory).sentence_pairs)
    assert pairs.count(Turn(0, 0))[""] == len(streamed)


def test_no_caption_of_a_target_language_is_looked_at(both, recipe_of):
    recipe = recipe_of(cross_modal={"untranslated": True})
    rows = [row for epoch in range(4) for row in CaptionedPictures(both[1].pictures, recipe).stream(Turn(0, epoch))]

    assert rows
    assert not [row for row in rows if POISON in f"{row.source} {row.target}"]


def test_languages_are_counted(both, recipe_of):
    recipe = recipe_of(target_languages=["de", "fr"])

    assert SentencePairs(both[1].pairs, recipe).count(Turn(0, 0)) == {"": 16, "de": 13, "fr": 3}


def test_groups_are_those_of_names(both, recipe_of):
    recipe = recipe_of(target_languages=["de", "fr"])
    groups: dict[str, set[int]] = {}
    for pair in SentencePairs(both[1].pairs, recipe).stream(Turn(0, 0)):
        groups.setdefault(pair.source, set()).add(pair.group)

    assert all(len(of_one) == 1 for of_one in groups.values())
    assert len(set.union(*groups.values())) == len(groups)
    assert number("red") == number("red") != number("blue")
    assert all(0 <= number(str(name)) < 2**63 for name in range(1000))
