"""Trials train on a corpus in memory or on shards, as `cl2cm train` does."""

from __future__ import annotations

import pytest
import tiny_training

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer import recipe as recipes
from trainer.launch import Launch
from trainer.recipe import Recipe
from trainer.streaming import writing
from tuning import training_on
from tuning.task import Task


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """Names of the lines for the towers, and tiny random backbones."""
    folder = tmp_path_factory.mktemp("backbones")
    tiny_training.write_text_backbone(folder / "text")
    tiny_training.write_image_backbone(folder / "image")
    return {name: str(folder / name) for name in ("text", "image")}


@pytest.fixture
def colours(tmp_path, monkeypatch):
    monkeypatch.setenv("CL2CM_CACHE", str(tmp_path / "cache"))
    return tiny_training.write_corpus(tmp_path / "colours")


@pytest.fixture
def sharded(colours, tmp_path):
    pairs = colours / "pairs" / "en-de.tsv"
    kept_back = "pink\trosa\thuman\ngrey\tgrau\thuman\n"
    pairs.write_text(pairs.read_text(encoding="utf-8") + kept_back, encoding="utf-8")
    writing.write(corpus.read(colours), tmp_path / "shards", "train", "held-out", rows=3)
    return tmp_path / "shards"


@pytest.fixture
def recipe_of(backbones):
    def make(**lines):
        optimiser = {"epochs": 1, "batch_size": 4}
        model = {**backbones, "dimensions": 8, "vocabulary": "all"}
        values = {"model": model, "dev_pictures": 2, "compute": {"precision": "float32"}}
        values |= {"cross_lingual": {"optimiser": optimiser}, "cross_modal": {"optimiser": optimiser}}
        return Recipe.model_validate(values | lines)

    return make


@pytest.fixture
def train(tmp_path):
    def run(recipe, data, evaluate_on=()):
        (tmp_path / "run").mkdir()
        places = {"folder": str(tmp_path / "run"), "networks": str(tmp_path / "networks")}
        task = Task(recipe.model_dump(), str(data), **places, evaluate_on=evaluate_on)
        return training_on.train(recipe, task, Launch(recipe.compute))

    return run


def test_shards_are_trained_on_as_a_stream(sharded, recipe_of, train, tmp_path):
    recipe = recipe_of()
    training_on.check(recipe, str(sharded))
    splits = training_on.unseen_splits(recipe, str(sharded))
    run = train(recipe, sharded, splits)

    assert splits == (None,)
    assert (tmp_path / "run" / "rows.json").is_file()
    assert "Split `dev`" in (run.model / "README.md").read_text(encoding="utf-8")


def test_shards_without_a_dev_cut_have_nothing_to_evaluate_on(colours, recipe_of, tmp_path):
    writing.write(corpus.read(colours), tmp_path / "shards", "train")

    assert training_on.unseen_splits(recipe_of(), str(tmp_path / "shards")) == ()
    with pytest.raises(UserError, match=r"dev_pictures .*needs a dev cut"):
        training_on.check(recipe_of(), str(tmp_path / "shards"))


def test_what_a_stream_cannot_do_is_said_before_a_search_begins(sharded, recipe_of):
    with pytest.raises(UserError, match="noise is drawn from the words"):
        training_on.check(recipe_of(noise={"drop": 0.1}), str(sharded))


def test_a_folder_of_captions_is_trained_on_in_memory(colours, recipe_of, train, tmp_path):
    recipe = recipe_of()
    training_on.check(recipe, str(colours))
    run = train(recipe, colours, ("held-out",))

    assert not (tmp_path / "run" / "rows.json").exists()
    assert "Split `held-out`" in (run.model / "README.md").read_text(encoding="utf-8")


def test_the_paper_s_recipe_can_be_tuned_on_shards(sharded):
    training_on.check(recipes.load("paper"), str(sharded))
