from __future__ import annotations

import pytest

from cl2cm_plugin.errors import UserError
from trainer import recipe

MINIMAL = "cross_lingual: {optimiser: {epochs: 1}}\ncross_modal: {optimiser: {epochs: 2}}\n"


@pytest.fixture
def write(tmp_path):
    def to_file(text: str) -> str:
        file = tmp_path / "mine.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return to_file


@pytest.mark.parametrize("name", recipe.shipped())
def test_every_shipped_recipe_loads(name):
    assert recipe.load(name).model_name.startswith("cl2cm-")


def test_openmoji_is_shipped_for_german():
    loaded = recipe.load("openmoji")

    assert (loaded.model_name, loaded.languages) == ("cl2cm-de", ["en", "de"])


def test_what_a_recipe_leaves_out_has_a_default(write):
    loaded = recipe.load(write(MINIMAL))

    assert loaded.model == recipe.Model()
    assert (loaded.cross_lingual.optimiser.epochs, loaded.cross_modal.optimiser.epochs) == (1, 2)


def test_changes_replace_the_recipes_own_and_none_leaves_it():
    loaded = recipe.load("openmoji", target_languages=["fr", "pt"], seed=7, split=None)

    assert (loaded.languages, loaded.seed, loaded.split) == (["en", "fr", "pt"], 7, "train")
    assert loaded.model_name == "cl2cm-fr-pt"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sede: 1", "sede"),
        ("model: {dimension: 2}", "model.dimension"),
        ("model: {dimensions: many}", "model.dimensions"),
        ("model: {dimensions: 1}", "model.dimensions.*greater than or equal to 2"),
        ("model: {vocabulary: german}", "model.vocabulary.*'scripts', 'corpus' or 'all'"),
        ("target_languages: []", "target_languages"),
        ("target_languages: de", "target_languages"),
        ("seed: -1", "seed"),
        ("name: cl2cm-{language}", "name"),
    ],
)
def test_a_wrong_line_is_named(line, message, write):
    with pytest.raises(UserError, match=message) as error:
        recipe.load(write(MINIMAL + line))
    assert "mine.yaml is wrong in 1 place(s)" in str(error.value)


def test_every_wrong_line_is_named_at_once(write):
    text = "seed: x\ncross_lingual: {optimiser: {epochs: -1}, temperature: 0}\ncross_modal: {}\n"

    with pytest.raises(UserError) as error:
        recipe.load(write(text))
    for place in (
        "seed",
        "cross_lingual.optimiser.epochs",
        "cross_lingual.temperature",
        "cross_modal.optimiser",
        "4 place(s)",
    ):
        assert place in str(error.value)


@pytest.mark.parametrize(("text", "message"), [("a: [", "not YAML"), ("- 1", "must be a mapping")])
def test_a_file_that_is_no_recipe_is_refused(text, message, write):
    with pytest.raises(UserError, match=message):
        recipe.load(write(text))


def test_an_unknown_recipe_is_answered_with_the_shipped_ones():
    with pytest.raises(UserError, match=r"no recipe 'openmojis'.*openmoji"):
        recipe.load("openmojis")


def test_a_wrong_change_is_named():
    with pytest.raises(UserError, match="sede"):
        recipe.load("openmoji", sede=1)
