from __future__ import annotations

import pytest

from cl2cm_plugin.errors import UserError
from trainer import recipe, recipe_forms

MINIMAL = "cross_lingual: {optimiser: {epochs: 1}}\ncross_modal: {optimiser: {epochs: 2}}\n"


@pytest.fixture
def write(tmp_path):
    def to_file(text: str) -> str:
        file = tmp_path / "mine.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return to_file


@pytest.mark.parametrize("name", recipe.shipped())
def test_every_shipped_recipe_loads_and_survives_being_written(name):
    loaded = recipe.load(name)

    assert "-de" in loaded.model_name
    assert recipe.Recipe.model_validate(loaded.model_dump()) == loaded
    assert recipe.Recipe.model_validate_json(loaded.model_dump_json()) == loaded


def test_a_choice_that_changes_a_model_changes_what_the_key_hashes(write):
    base = recipe.load(write(MINIMAL))
    lines = {
        "cross_lingual": [
            {"sentence": {"form": "hinge"}},
            {"sentence": {"form": "hinge", "margin": 0.1}},
            {"temperature": {"start": 0.05, "learnable": True}},
            {"word_alignment": {"form": "entropic"}},
            {"word_alignment": {"form": "self_labelled"}},
            {"word_alignment": {"form": "off"}},
        ],
        "cross_modal": [
            {"matching": {"form": "hinge"}},
            {"distillation": {"form": "soft_labels"}},
            {"distillation": {"form": "several_teachers", "models": ["another"]}},
            {"distillation": {"form": "embeddings"}},
            {"distillation": {"form": "off"}},
        ],
    }
    texts = {base.model_dump_json()}
    for stage, changes in lines.items():
        for change in changes:
            values = base.model_dump()
            values[stage].update(change)
            texts.add(recipe.Recipe.model_validate(values).model_dump_json())

    assert len(texts) == 12


def test_a_dump_for_people_names_every_choice():
    dump = recipe.load("openmoji").model_dump()

    assert dump["cross_lingual"]["sentence"] == {"form": "contrastive"}
    assert dump["cross_lingual"]["word_alignment"]["form"] == "transport"
    assert dump["cross_modal"]["matching"] == {"form": "contrastive"}
    assert dump["cross_modal"]["distillation"]["form"] == "relational"


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


def stages(cross_lingual: str = "", cross_modal: str = "") -> str:
    return (
        f"cross_lingual: {{optimiser: {{epochs: 1}}, {cross_lingual}}}\n"
        f"cross_modal: {{optimiser: {{epochs: 2}}, {cross_modal}}}\n"
    )


@pytest.mark.parametrize("off", ["off", '"off"', "false"])
def test_a_part_is_switched_off_however_yaml_reads_the_word(off, write):
    loaded = recipe.load(write(stages(f"word_alignment: {{form: {off}}}", f"distillation: {{form: {off}}}")))

    assert loaded.cross_lingual.word_alignment == recipe_forms.Off(form="off")
    assert loaded.cross_modal.distillation.weight == 0


def test_a_temperature_is_a_number_or_learned(write):
    loaded = recipe.load(write(stages("temperature: 0.1", "temperature: {start: 0.07, learnable: true}")))

    assert loaded.cross_lingual.temperature == 0.1
    assert loaded.cross_modal.temperature == recipe.LearnableTemperature(start=0.07, minimum=0.001, maximum=0.5)


@pytest.mark.parametrize(
    ("cross_lingual", "cross_modal", "message"),
    [
        ("sentence: {form: triplet}", "", "cross_lingual.sentence.*form is one of contrastive, hinge"),
        ("sentence: {form: contrastive, margin: 0.2}", "", "cross_lingual.sentence.contrastive.margin"),
        ("sentence: {form: hinge, margin: 0}", "", "cross_lingual.sentence.hinge.margin"),
        ("sentence: {form: hinge, reduction: max}", "", "reduction.*'mean' or 'sum'"),
        ("sentence: {form: hinge}, temperature: {start: 0.1}", "", "a hinge has no temperature to learn"),
        ("", "matching: {form: hinge}, temperature: {start: 0.1}", "a hinge has no temperature to learn"),
        ("temperature: {start: 0.7}", "", "start must be between minimum"),
        ("temperature: warm", "", "cross_lingual.temperature"),
        ("temperature: {start: 0.1, learned: true}", "", "temperature.learnable.learned"),
        ("word_alignment: {form: entropic, beta: 0.5}", "", "word_alignment.entropic.beta"),
        ("word_alignment: {epsilon: 0.5}", "", "word_alignment.transport.epsilon"),
        ("word_alignment: {form: off, weight: 1}", "", "word_alignment.off.weight"),
        ("word_alignment: {form: [ot]}", "", "form is one of transport, entropic, self_labelled, off"),
        ("word_alignment: transport", "", "cross_lingual.word_alignment"),
        ("", "distillation: {form: kl}", "form is one of relational, soft_labels, several_teachers"),
        ("", "distillation: {form: embeddings, temperature: 1}", "distillation.embeddings.temperature"),
        ("", "distillation: {form: several_teachers}", "distillation.several_teachers.models"),
        ("", "distillation: {form: soft_labels}, source_weight: 0", "raise source_weight"),
    ],
)
def test_a_choice_that_does_not_fit_is_named(cross_lingual, cross_modal, message, write):
    with pytest.raises(UserError, match=message) as error:
        recipe.load(write(stages(cross_lingual, cross_modal)))
    assert "wrong in 1 place(s)" in str(error.value)


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
