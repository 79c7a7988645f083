from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from cl2cm_plugin.errors import UserError
from tuning import winner
from tuning.comparison import compare, compared
from tuning.reports import Reports
from tuning.trial import Resources, Study
from tuning.winner import BASE, Confirmed, confirm, final, ranked

TEMPERATURE = "cross_modal.temperature"
BASE_TEMPERATURE = 0.05


class Runs:
    """Runs without Ray: each has the figure of its temperature and seed, or fails by the reason of its temperature."""

    def __init__(self) -> None:
        self.names, self.recipes, self.evaluated = [], [], []
        self.figures, self.reasons = {}, {}

    def __call__(self, task, study, name, callbacks) -> str:
        self.names.append(name)
        self.recipes.append(task.recipe)
        self.evaluated.append(task.evaluate_on)
        temperature = task.recipe["cross_modal"]["temperature"]
        if reason := self.reasons.get(temperature):
            return reason
        figure = self.figures.get(temperature, 100.0) + task.recipe["seed"]
        Reports(Path(task.folder)).add({"phase": "finished", "progress": 100.0, "sum_r": figure})
        return ""


@pytest.fixture
def runs(monkeypatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(winner, "run", made)
    return made


@pytest.fixture
def study(trials, space_of) -> Study:
    lines = {"seeds": [0, 2], "changes": {"cross_lingual.sentences": 5}}
    return Study(space_of(confirm=lines), "data", trials.folder.parent, Resources())


@pytest.fixture
def best(study, trials):
    """Choose among the two best trials and the base recipe: the winner, and what is printed."""

    def choose(number=2):
        console = Console(file=io.StringIO(), width=200)
        trials.folder.mkdir(parents=True, exist_ok=True)
        return compare(study, trials, number, console), console.file.getvalue()

    return choose


def test_the_best_trials_and_the_base_recipe_are_trained_in_full_with_every_seed(add, best, runs):
    for number, figure in enumerate((200.0, 220.0, 210.0), 1):
        add(number, figure)
    best()

    assert runs.names == [
        *("confirmed-base-recipe-seed0", "confirmed-base-recipe-seed2"),
        *("confirmed-trial-2-seed0", "confirmed-trial-2-seed2"),
        *("confirmed-trial-3-seed0", "confirmed-trial-3-seed2"),
    ]
    assert [recipe["cross_modal"]["temperature"] for recipe in runs.recipes] == [0.05, 0.05, 0.04, 0.04, 0.06, 0.06]
    assert {recipe["cross_lingual"]["sentences"] for recipe in runs.recipes} == {5}
    assert {recipe["dev_pictures"] for recipe in runs.recipes} == {9}


def test_the_winner_has_the_best_mean_of_its_seeds(add, best, runs, study):
    for number in (1, 2):
        add(number, 200.0)
    runs.figures = {0.02: 101.0, 0.04: 103.0}
    found, printed = best()

    assert (found.name, found.figures, found.mean) == ("trial 2", [103.0, 105.0], 104.0)
    assert found.spread == pytest.approx(math.sqrt(2))
    assert "trial 2: 104.0 ± 1.4" in printed
    assert [candidate.name for candidate in compared(study)] == [BASE, "trial 1", "trial 2"]


@pytest.mark.parametrize("figure", [99.0, 100.0])
def test_the_base_recipe_wins_where_nothing_is_better(figure, add, best, runs):
    add(1, 200.0)
    runs.figures = {0.02: figure}

    assert best()[0].name == BASE


def test_what_was_trained_is_not_trained_again(add, best, runs):
    add(1, 200.0)
    first, _ = best(1)
    trained = len(runs.names)
    again, _ = best(1)
    add(2, 190.0)
    best(2)

    assert (trained, again) == (4, first)
    assert runs.names[trained:] == ["confirmed-trial-2-seed0", "confirmed-trial-2-seed2"]


def test_a_run_that_was_killed_before_its_figures_were_kept_is_gone_on_with(add, best, runs, study):
    add(1, 200.0)
    best()
    (study.storage / "confirmed" / "trial-1-seed2" / "figures.json").rename(study.storage / "figures.tmp")
    best()

    assert runs.names[4:] == ["confirmed-trial-1-seed2"]


def test_the_base_recipe_among_the_best_trials_is_not_trained_twice(add, best, runs, study):
    add(1, 220.0, chosen=study.space.defaults())
    add(2, 210.0)
    best()

    assert [name for name in runs.names if name.endswith("seed0")] == [
        "confirmed-base-recipe-seed0",
        "confirmed-trial-2-seed0",
    ]


def test_a_candidate_that_fails_does_not_keep_the_others_from_winning(add, best, runs, study):
    for number in (1, 2):
        add(number, 200.0 + number)
    runs.figures = {0.02: 150.0}
    runs.reasons = {0.04: "Out of memory [/x]."}
    found, printed = best()

    assert found.name == "trial 1"
    assert "failed: Out of memory [/x]." in printed
    assert [bool(candidate.reason) for candidate in compared(study)] == [False, True, False]


def test_without_any_figure_there_is_no_winner(add, best, runs):
    add(1, 200.0)
    runs.reasons = {BASE_TEMPERATURE: "Out of memory.", 0.02: "Out of memory."}
    with pytest.raises(UserError, match=r"There is no winner among the runs in .*: Out of memory\."):
        best()


def test_a_figure_that_is_no_number_does_not_win(add, best, runs):
    add(1, 200.0)
    runs.figures = {BASE_TEMPERATURE: math.nan, 0.02: 1.0}
    assert best()[0].name == "trial 1"

    runs.figures = {BASE_TEMPERATURE: 1.0, 0.04: math.nan}
    add(2, 300.0)
    assert best()[0].name == "trial 1"


def test_one_seed_has_no_spread_and_equal_candidates_keep_their_order():
    one, other, none = Confirmed("one", {}, [5.0]), Confirmed("other", {}, [5.0]), Confirmed("none", {}, [])

    assert math.isnan(one.spread)
    assert ranked([none, one, other], "sum_r") == [one, other, none]


def test_the_winner_by_rank_is_the_one_with_the_lowest():
    low, high, none = Confirmed("low", {}, [2.0]), Confirmed("high", {}, [5.0]), Confirmed("none", {}, [])

    assert ranked([high, none, low], "text_to_image.median_rank") == [low, high, none]


def test_candidates_are_told_one_by_one(add, runs, study, trials):
    add(1, 200.0)
    candidates = confirm(study, trials.ranked("sum_r"))

    assert next(candidates).name == BASE
    assert len(runs.names) == 2


def test_the_model_of_the_winner_learns_from_the_dev_cut_as_well(runs, study):
    chosen = {TEMPERATURE: 0.1}
    model = final(study, Confirmed("trial 1", chosen, [1.0]), "mine", ("val",))

    assert model == study.storage / "final" / "mine" / "model"
    [recipe] = runs.recipes
    assert (recipe["name"], recipe["dev_pictures"], recipe["seed"]) == ("mine", 0, 0)
    assert (recipe["cross_modal"]["temperature"], recipe["cross_lingual"]["sentences"]) == (0.1, 5)
    assert runs.evaluated == [("val",)]


def test_patience_keeps_the_dev_cut_that_it_watches(runs, trials, space_of):
    changes = {"dev_pictures": 9, "cross_modal.projections_first.patience": 2}
    study = Study(space_of(changes=changes), "data", trials.folder.parent, Resources())
    final(study, Confirmed(BASE, {}, [1.0]), "mine", ())

    assert runs.recipes[0]["dev_pictures"] == 9


def test_another_winner_of_the_same_name_takes_the_place_of_the_earlier_and_the_same_one_goes_on(runs, study):
    folder = final(study, Confirmed("trial 1", {TEMPERATURE: 0.1}, [1.0]), "mine", ()).parent
    (folder / "checkpoint").touch()
    final(study, Confirmed("trial 1", {TEMPERATURE: 0.1}, [1.0]), "mine", ())
    assert (folder / "checkpoint").exists()

    final(study, Confirmed("trial 2", {TEMPERATURE: 0.11}, [1.0]), "mine", ())
    assert not (folder / "checkpoint").exists()
    assert (folder / "reports.jsonl").exists()


def test_a_model_that_cannot_be_trained_is_a_clear_error(runs, study):
    runs.reasons = {BASE_TEMPERATURE: "Out of memory."}
    with pytest.raises(UserError, match=r"The run in .*mine failed: Out of memory\."):
        final(study, Confirmed(BASE, {}, [1.0]), "mine", ())


def test_nothing_was_compared_before_anything_was(study):
    assert compared(study) == []
