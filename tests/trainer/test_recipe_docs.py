"""docs/recipes.md explains every line of a recipe, with the default that it has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from trainer import recipe as recipes
from trainer import recipe_forms as forms

TEXT = Path(__file__).parents[2].joinpath("docs", "recipes.md").read_text(encoding="utf-8")
PARTS = {
    "The run": recipes.Recipe,
    "`model`": recipes.Model,
    "`cross_lingual`": recipes.CrossLingual,
    "`cross_modal`": recipes.CrossModal,
    "Optimisers": recipes.Optimiser,
    "`compute`": recipes.Compute,
}


def table(part: str) -> dict[str, str]:
    """The lines of a part, and what their defaults are called."""
    section = TEXT.split(f"\n## {part}", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


@pytest.mark.parametrize("part", PARTS)
def test_every_line_is_explained_and_no_other(part):
    own = {name for name in PARTS[part].model_fields if f"`{name}`" not in PARTS}

    assert set(table(part)) == own


@pytest.mark.parametrize("part", PARTS)
def test_a_default_in_code_is_the_lines_own(part):
    for name, said in table(part).items():
        default = PARTS[part].model_fields[name].get_default(call_default_factory=True)
        written = yaml.safe_load(said.strip("`")) if re.fullmatch(r"`.*`|[\d.]+|true|false", said) else None
        if written is None:
            continue
        if isinstance(default, BaseModel):
            default = json.loads(default.model_dump_json(include=set(written)))
        assert written == default, name


@pytest.mark.parametrize(
    "form",
    [
        *(forms.Hinge, forms.FrozenSources, forms.Transport, forms.Entropic, forms.SelfLabelled),
        *(forms.Relational, forms.SoftLabels, forms.SeveralTeachers, forms.Embeddings, forms.LearnableTemperature),
        *(recipes.Noise, recipes.PairFilter),
    ],
)
def test_every_line_of_a_form_is_named(form):
    for name in form.model_fields:
        assert re.search(rf"\b{name}\b", TEXT), name


def test_the_short_recipe_is_one():
    short = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert short

    assert recipes.Recipe.model_validate(yaml.safe_load(short[1])).target_languages == ["de", "fr"]


def test_every_shipped_recipe_is_named():
    assert [name for name in recipes.shipped() if name not in TEXT] == []
