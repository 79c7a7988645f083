from __future__ import annotations

import json
import re

import pytest
import yaml
from pydantic import ValidationError

from cl2cm_plugin.errors import UserError
from trainer import recipe as recipes
from tuning import spaces
from tuning.space import Space

TEMPERATURE = "cross_modal.temperature"
BATCH = "cross_modal.optimiser.batch_size"
RELATIONAL = {"form": "relational", "weight": 0.5, "teacher_temperature": 0.05, "student_temperature": 0.05}


def lines(**changes):
    """The lines of a space on the recipe for photographs."""
    parameters = {TEMPERATURE: {"from": 0.02, "to": 0.2}}
    return {"title": "mine", "recipe": "photos", "changes": {"dev_pictures": 9}, "parameters": parameters, **changes}


@pytest.fixture
def load(tmp_path):
    """Load a space of some lines, or of some text."""

    def read(text=None, options=(), **changes) -> Space:
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(lines(**changes)) if text is None else text, encoding="utf-8")
        return spaces.load(str(file), **dict(options))

    return read


@pytest.fixture
def sentence(load, tmp_path):
    """What is said of a space that cannot be searched."""

    def refused(text=None, **changes) -> str:
        with pytest.raises(UserError) as error:
            load(text, **changes)
        said = str(error.value).replace(str(tmp_path / "mine.yaml"), "mine.yaml")
        assert said.endswith(".")
        assert "\n" not in said
        return said

    return refused


@pytest.mark.parametrize("name", spaces.shipped())
def test_every_shipped_space_has_its_base_recipe_as_a_trial(name):
    space = spaces.load(name)

    assert list(space.defaults()) == list(space.parameters)
    assert space.recipe_of(space.defaults()) == space.recipe_of({})
    for parameter, value in space.defaults().items():
        assert space.parameters[parameter].distribution._contains(
            space.parameters[parameter].distribution.to_internal_repr(value)
        )


@pytest.mark.parametrize("name", spaces.shipped())
def test_a_shipped_space_survives_being_written(name):
    space = spaces.load(name)
    again = Space.model_validate(json.loads(space.model_dump_json(by_alias=True)))

    assert (again, again.defaults(), again.recipe_of({})) == (space, space.defaults(), space.recipe_of({}))


def test_the_recipe_is_kept_by_its_lines_so_that_workers_need_no_file(tmp_path, monkeypatch, load):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipes.values_of("photos") | {"seed": 5}))
    monkeypatch.chdir(tmp_path)
    space = load(options={"recipe": "recipe.yaml"}.items())
    (tmp_path / "recipe.yaml").unlink()

    assert space.recipe_of({}).seed == 5


def test_options_replace_lines_and_none_leaves_them(load):
    space = load(options={"trials": 7, "seed": None, "recipe": "paper"}.items(), trials=3, seed=4)

    assert (space.trials, space.seed, space.recipe["name"]) == (7, 4, "cl2cm-{target}-paper")


def test_a_trial_is_the_base_recipe_with_what_was_chosen(load):
    space = load(
        changes={"dev_pictures": 9, "cross_modal.target_weight": 0.7},
        parameters={
            TEMPERATURE: {"from": 0.02, "to": 0.2},
            "cross_modal.distillation": {"choices": [RELATIONAL, {"form": False}]},
        },
    )
    recipe = space.recipe_of({TEMPERATURE: 0.11, "cross_modal.distillation": '{"form": false}'}, {"seed": 3})

    assert (recipe.cross_modal.temperature, recipe.cross_modal.target_weight) == (0.11, 0.7)
    assert (recipe.cross_modal.distillation.form, recipe.seed, recipe.dev_pictures) == ("off", 3, 9)
    assert space.recipe_of({}).cross_modal.temperature == 0.05


def test_a_part_that_is_changed_as_a_whole_leaves_what_is_chosen_for_a_line_of_it(load):
    optimiser = {"epochs": 2, "batch_size": 16}
    space = load(
        changes={"dev_pictures": 9, BATCH: 4, "cross_modal.optimiser": optimiser},
        parameters={BATCH: {"choices": [8, 32]}},
    )

    assert space.recipe_of({BATCH: 32}).cross_modal.optimiser.batch_size == 32


def test_a_base_recipe_outside_the_ranges_is_no_trial(load):
    space = load(
        parameters={
            TEMPERATURE: {"from": 0.1, "to": 0.2},
            BATCH: {"choices": [128, 256]},
            "cross_modal.distillation": {"choices": [{"form": "off"}, {"form": "embeddings"}]},
        }
    )

    assert space.defaults() == {BATCH: 128}


def test_a_learnable_temperature_is_searched_by_its_start(load):
    learnable = {"dev_pictures": 9, TEMPERATURE: {"start": 0.07, "learnable": True}}
    space = load(changes=learnable, parameters={f"{TEMPERATURE}.start": {"from": 0.02, "to": 0.2}})

    assert space.defaults() == {f"{TEMPERATURE}.start": 0.07}


@pytest.mark.parametrize(
    ("line", "parameter", "message"),
    [
        ("cross_modal.temprature", {"from": 0.1, "to": 0.2}, "is no line of the base recipe, where cross_modal has"),
        ("temperature", {"from": 0.1, "to": 0.2}, "is no line of the base recipe, where a recipe has name,"),
        ("cross_modal.", {"from": 0.1, "to": 0.2}, "is no line of the base recipe"),
        (f"{TEMPERATURE}.start", {"from": 0.1, "to": 0.2}, "where cross_modal.temperature is 0.05: change"),
        ("cross_modal.target_weight.x", {"from": 0.1, "to": 0.2}, "where cross_modal.target_weight is 0.3"),
        ("cross_lingual.space.temperature", {"from": 0.1, "to": 0.2}, "where cross_lingual.space is empty"),
        (
            "cross_modal.distillation.beta",
            {"from": 0.1, "to": 0.2},
            r"where cross_modal.distillation \(relational\) has",
        ),
        (TEMPERATURE, {"from": 0.2, "to": 0.1}, "parameters.cross_modal.temperature: the range from 0.2 to 0.1 is"),
        (TEMPERATURE, {"from": 0.1}, "parameters.cross_modal.temperature.to: it is missing"),
        (TEMPERATURE, {"from": "low", "to": 1.0}, "parameters.cross_modal.temperature.from: 'low' is no number"),
        (TEMPERATURE, {"from": 0.1, "to": 1.0, "by": 1}, "parameters.cross_modal.temperature.by: there is no such"),
        (TEMPERATURE, {"choices": 0.1}, "parameters.cross_modal.temperature.choices: write a list"),
        (TEMPERATURE, 0.1, "parameters.cross_modal.temperature: write a range"),
        (TEMPERATURE, {"from": 1, "to": 5}, "takes any number: write from: 1.0 and to: 5.0, or step: 1"),
        (TEMPERATURE, {"from": -0.1, "to": 0.2}, "cross_modal.temperature = -0.1 makes a wrong recipe .*greater than"),
        (TEMPERATURE, {"choices": ["hot", 0.1]}, 'cross_modal.temperature = "hot" makes a wrong recipe'),
        (BATCH, {"from": 64.0, "to": 128.0}, "takes whole numbers alone"),
        (BATCH, {"from": 2, "to": 8, "step": 0.5}, "takes whole numbers alone"),
        (BATCH, {"from": 2.5, "to": 8.5}, "cross_modal.optimiser.batch_size = 2.5 makes a wrong recipe"),
        ("model.trained_layers", {"from": 0.0, "to": 6.0}, "takes whole numbers alone"),
        ("cross_modal.distillation", {"choices": [{"form": "rational"}, RELATIONAL]}, "form is one of relational,"),
        ("cross_modal.distillation", {"choices": [{"form": "off", "weight": 1}, RELATIONAL]}, "there is no such line"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(line, parameter, message, sentence):
    assert re.search(message, sentence(parameters={line: parameter}))


@pytest.mark.parametrize(
    "line",
    [
        *("name", "seed", "compute", "compute.precision", "split", "dev_pictures", "noise.drop", "origins"),
        *("source_language", "target_languages", "transfer_languages"),
    ],
)
def test_what_trials_could_not_be_compared_by_is_not_searched(line, sentence):
    said = sentence(parameters={line: {"choices": [1, 2]}})

    assert f"{line} cannot be searched, since its trials could not be compared" in said


def test_whole_numbers_are_searched_on_any_line_where_a_step_says_so(load):
    space = load(parameters={TEMPERATURE: {"from": 1, "to": 3, "step": 1}})

    assert [space.parameters[TEMPERATURE].holds(value) for value in (2, 2.5)] == [True, False]


def test_a_part_and_a_line_of_it_are_not_both_searched(sentence):
    parts = {"choices": [RELATIONAL, {"form": "off"}]}
    weight = {"from": 0.1, "to": 0.2}

    for parameters in (
        {"cross_modal.distillation": parts, "cross_modal.distillation.weight": weight},
        {"cross_modal.distillation.weight": weight, "cross_modal.distillation": parts},
    ):
        said = sentence(parameters=parameters)
        assert "cross_modal.distillation and cross_modal.distillation.weight are both searched" in said


def test_a_line_of_a_form_that_is_switched_off_is_not_searched(sentence):
    off = {"dev_pictures": 9, "cross_modal.distillation": {"form": False}}
    said = sentence(changes=off, parameters={"cross_modal.distillation.weight": {"from": 0.1, "to": 0.2}})

    assert "where cross_modal.distillation (off) has form" in said


def test_every_wrong_parameter_is_named(sentence):
    wide = {"from": -1.0, "to": 1.0}
    said = sentence(parameters={TEMPERATURE: wide, "cross_modal.target_weight": wide, "cross_modal.word": wide})

    assert [said.count(f"{line} ") for line in (TEMPERATURE, "cross_modal.target_weight", "cross_modal.word")] == [
        1
    ] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": ["speed"]}, "'speed' is no objective: sum_r, text_to_image.r1 .*median_rank"),
        ({"objectives": ["sum_r.fr"]}, "aims at sum_r.fr, but its recipe learns from en, de"),
        ({"objectives": ["sum_r."]}, "aims at sum_r., but"),
        ({"objectives": ["text_to_image.r1.fr"]}, "aims at text_to_image.r1.fr, but its recipe learns from en, de"),
        ({"objectives": ["texts_per_second", "sum_r"]}, "put sum_r before it"),
        ({"objectives": ["sum_r", "sum_r"]}, "an objective is there twice"),
        ({"objectives": []}, "objectives: it is empty"),
        ({"objectives": "sum_r"}, "objectives: write a list"),
        ({"parameters": {}}, "parameters: it is empty"),
        ({"changes": {}}, "nothing to judge its trials by: put `dev_pictures: 500` among its changes"),
        (
            {"changes": {"dev_pictures": 9, "cross_modal.word": 1}},
            "wrong base recipe: cross_modal.word: there is no such",
        ),
        ({"recipe": "nowhere"}, "There is no recipe 'nowhere': it is no file, and shipped are openmoji, "),
        ({"recipe": 3}, "recipe: write names and values"),
        ({"trials": 0}, "trials: .*greater than or equal to 1"),
        ({"trial": 3}, "trial: there is no such line"),
        ({"seed": -1}, "seed: .*greater than or equal to 0"),
        ({"pruning": {"grace": 100}}, "pruning.grace: .*less than 100"),
        ({"pruning": {"factor": 1.0001}}, "pruning.factor: .*greater than or equal to 1.1"),
        ({"pruning": 3}, "pruning: write names and values"),
        ({"trial_seconds": 0}, "trial_seconds: .*greater than 0"),
        ({"confirm": {"seeds": [0, 0]}}, "confirm: a seed is there twice"),
        ({"confirm": {"seeds": [-1]}}, "confirm.seeds.0: "),
        ({"confirm": {"changes": {"seed": 1}}}, "confirm: the seed is not among the changes: list it in seeds"),
        ({"confirm": {"changes": {"dev_pictures": 0}}}, "nothing to choose the winner by: keep dev_pictures"),
        (
            {"confirm": {"changes": {"sede": 1}}},
            r"wrong: confirm.changes make a wrong recipe \(sede: there is no such line\)",
        ),
        ({"confirm": {"changes": {TEMPERATURE: 1}}}, f"sets {TEMPERATURE}, but the search chooses {TEMPERATURE}"),
        ({"confirm": {"changes": {"cross_modal": {}}}}, f"sets cross_modal, but the search chooses {TEMPERATURE}"),
        ({"confirm": {"changes": {f"{TEMPERATURE}.start": 1}}}, f"but the search chooses {TEMPERATURE}"),
    ],
)
def test_a_wrong_line_is_one_sentence(changes, message, sentence):
    assert re.search(message, sentence(**changes))


def test_what_is_chosen_must_also_go_with_what_the_best_are_confirmed_with(sentence):
    weights = {"cross_modal.target_weight": {"choices": [0, 0.5]}}
    said = sentence(parameters=weights, confirm={"changes": {"cross_modal.source_weight": 0}})

    assert (
        "cross_modal.target_weight = 0 makes a wrong recipe in confirm (cross_modal: pictures are matched with" in said
    )


def test_pruning_is_switched_off_however_yaml_reads_the_word(load):
    text = yaml.safe_dump(lines())

    assert [load(f"{text}pruning: {off}\n").pruning for off in ("off", "false", "null")] == [None] * 3


@pytest.mark.parametrize("objective", ["sum_r", "sum_r.de", "sum_r.en", "text_to_image.r1", "image_to_text.r5.en"])
def test_an_objective_is_a_mean_or_a_language_of_the_recipe(objective, load):
    assert load(objectives=[objective, "texts_per_second"]).objectives == [objective, "texts_per_second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "mine.yaml must be a mapping of names to values"),
        ("", "mine.yaml must be a mapping of names to values"),
        ("title: mine", "recipe: it is missing; parameters: it is missing"),
        ("1: 2\n" + yaml.safe_dump(lines()), "1: Keys should be strings"),
    ],
)
def test_what_is_no_space_is_one_sentence(text, message, sentence):
    assert message in sentence(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "open.yaml").write_text("title: [mine")
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff")

    for name, message in {"open": "is not YAML", "picture": "cannot be read", "absent": "it is no file"}.items():
        with pytest.raises(UserError, match=message):
            spaces.load(str(tmp_path / f"{name}.yaml"))
    with pytest.raises(UserError, match="shipped are cl2cm, cl2cm-stage-2, paper"):
        spaces.load(str(tmp_path))


def test_values_that_do_not_go_together_are_refused_when_they_are_put_together(load):
    weight = {"from": 0.0, "to": 1.0}
    space = load(parameters={"cross_modal.source_weight": weight, "cross_modal.target_weight": weight})

    with pytest.raises(ValidationError, match="matched with nothing"):
        space.recipe_of({"cross_modal.source_weight": 0.0, "cross_modal.target_weight": 0.0})
