from __future__ import annotations

import pytest
from matplotlib import pyplot
from PIL import Image

from tuning import plots
from tuning.plots import draw, importances, pareto_front, study_of
from tuning.trials import TrialRecord

TEMPERATURE = "cross_modal.temperature"
DISTILLATION = "cross_modal.distillation"
LABELS = ['{"form": "embeddings", "weight": 0.5}', '{"form": "off"}']


@pytest.fixture(scope="module")
def records():
    """Trials whose figure depends on the temperature alone, and whose speed falls where it rises."""

    def make(number=8, state="finished", **figures):
        return [
            TrialRecord(
                n,
                {TEMPERATURE: 0.02 * n, DISTILLATION: LABELS[n % 2]},
                state,
                {"sum_r": 200.0 + n, "texts_per_second": 500.0 - n * (n != 4) * 10, **figures},
            )
            for n in range(1, number + 1)
        ]

    return make


def test_trials_have_the_numbers_of_the_search_in_optuna_as_well(records, space_of):
    found = records(6)
    found[2].state = "failed"
    del found[4]
    study = study_of(space_of(), found, ["sum_r"])

    complete = [trial.number for trial in study.trials if trial.state.name == "COMPLETE"]
    assert complete == [1, 2, 4, 6]
    assert study.best_trial.number == 6


def test_pruned_trials_and_those_without_a_figure_do_not_count(records, space_of):
    pruned, found = records(3, "pruned"), records(6)
    found[:3] = pruned
    found[3].figures = {}
    found[4].state = "running"
    study = study_of(space_of(), found, ["sum_r"])

    assert [trial.state.name for trial in study.trials] == ["FAIL", *["PRUNED"] * 3, *["FAIL"] * 2, "COMPLETE"]


def test_parameters_have_short_names_and_parts_of_a_recipe_words(records, space_of):
    study = study_of(space_of(), records(2), ["sum_r"])

    assert study.trials[1].params == {"temperature": 0.02, "distillation": "off"}
    assert study.trials[2].params == {"temperature": 0.04, "distillation": "embeddings (weight\n0.5)"}


def test_choices_whose_words_are_the_same_keep_their_labels(space_of):
    near = [{"form": "embeddings", "weight": 0.50001}, {"form": "embeddings", "weight": 0.50002}]
    label = '{"form": "embeddings", "weight": 0.50002}'
    record = TrialRecord(1, {DISTILLATION: label}, "finished", {"sum_r": 1.0})
    study = study_of(space_of(parameters={DISTILLATION: {"choices": near}}), [record], ["sum_r"])

    assert study.trials[1].params == {"distillation": label}


def test_what_explains_the_figures_comes_first_and_the_same_each_time(records, space_of):
    found = importances(study_of(space_of(), records(), ["sum_r"]))

    assert list(found) == ["temperature", "distillation"]
    assert found["temperature"] > 0.8
    assert found == importances(study_of(space_of(), records(), ["sum_r"]))
    assert list(importances(study_of(space_of(), records(), ["sum_r", "texts_per_second"]))) == list(found)


@pytest.mark.parametrize(("number", "figures"), [(0, {}), (3, {}), (8, {"sum_r": 200.0})])
def test_few_trials_or_equal_figures_explain_nothing(number, figures, records, space_of):
    assert importances(study_of(space_of(), records(number, **figures), ["sum_r"])) == {}


def test_the_pareto_front_is_what_nothing_beats_in_everything(records, space_of):
    objectives = ["sum_r", "texts_per_second"]

    # Without the fourth, which is as fast as none: the slower, the better.
    assert pareto_front(study_of(space_of(objectives=objectives), records(), objectives)) == [4, 5, 6, 7, 8]
    assert pareto_front(study_of(space_of(objectives=objectives), [], objectives)) == []


@pytest.mark.parametrize(
    ("number", "figures", "objectives", "names"),
    [
        (0, {}, ["sum_r"], []),
        (1, {}, ["sum_r"], ["history"]),
        (5, {"sum_r": 200.0}, ["sum_r"], ["history"]),
        (5, {}, ["sum_r"], ["history", "importance", "parallel-coordinates", "response"]),
        (1, {}, ["sum_r", "texts_per_second"], ["history", "pareto-front"]),
    ],
)
def test_what_there_are_trials_for_is_drawn(number, figures, objectives, names, records, space_of, tmp_path):
    study = study_of(space_of(objectives=objectives), records(number, **figures), objectives)
    pictures = draw(study, objectives, tmp_path)

    assert [picture.stem for picture in pictures] == names
    assert set(names) <= set(plots.CAPTIONS)
    for picture in pictures:
        with Image.open(picture) as image:
            assert min(image.size) > 200


def test_the_same_trials_give_the_same_pictures_and_no_figure_stays_open(records, space_of, tmp_path):
    made = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        pictures = draw(study_of(space_of(), records(4), ["sum_r"]), ["sum_r"], folder)
        made.append([picture.read_bytes() for picture in pictures])

    assert made[0] == made[1]
    assert pyplot.get_fignums() == []
