from __future__ import annotations

import math

import pytest

from tuning.sampler import Sampler
from tuning.trials import DIED

TEMPERATURE = "cross_modal.temperature"


@pytest.fixture
def sampler(trials):
    """Make the sampler of a space, for the trials that are on disk."""
    return lambda space, wanted=12: Sampler(space, trials, wanted)


def values(proposed):
    """What was proposed, without the number of the trial."""
    return {name: value for name, value in proposed.items() if name != "trial"}


def test_the_sampler_begins_with_the_base_recipe(space_of, sampler):
    space = space_of()
    made = sampler(space)

    assert values(made.suggest("one")) == space.defaults()
    assert values(made.suggest("two")) != space.defaults()


def test_where_the_base_recipe_is_outside_the_space_no_trial_is_it(space_of, sampler):
    space = space_of(parameters={"cross_modal.temperature": {"from": 0.1, "to": 0.2}})

    assert 0.1 <= sampler(space).suggest("one")["cross_modal.temperature"] <= 0.2


def test_a_seed_gives_the_same_proposals_and_another_one_others(space_of, sampler):
    def proposals(seed):
        made = sampler(space_of(seed=seed))
        return [made.suggest(f"trial-{number}") for number in range(4)]

    assert proposals(1) == proposals(1)
    assert proposals(1) != proposals(2)


def test_trials_that_had_not_ended_come_first_under_their_numbers(space_of, sampler, trials, add):
    add(1, 200.0)
    began = [add(2, state="running"), add(4, 200.0, state="failed", reason=DIED)]
    add(5, state="failed", reason="Out of memory.")
    # Its file is damaged.
    trials.folder_of(6).mkdir()
    made = sampler(space_of(), wanted=4)
    proposed = [made.suggest(name) for name in ("a", "b", "c", "d")]

    assert [one["trial"] for one in proposed] == [2, 4, 3, 7]
    assert [values(one) for one in proposed[:2]] == [record.chosen for record in began]
    assert all(values(one) != began[0].chosen for one in proposed[2:])


@pytest.mark.parametrize("objectives", [["sum_r"], ["sum_r", "texts_per_second"]])
def test_a_trial_without_a_figure_does_not_stop_the_sampler(objectives, space_of, sampler):
    made = sampler(space_of(objectives=objectives))
    failed = dict.fromkeys(objectives, float("nan")) | {"training_iteration": 1}
    made.suggest("one")
    made.on_trial_result("one", failed)
    made.on_trial_complete("one", failed)

    assert made.suggest("two")


def proposed(sampler, space):
    made = sampler(space)
    return [made.suggest(f"trial-{number}")[TEMPERATURE] for number in range(12)]


def test_a_search_that_goes_on_learns_from_what_it_has_found(space_of, sampler, add):
    found = {}
    for sign in (-1, 1):
        # The best are at the low end, or at the high one.
        for number in range(1, 31):
            add(number, sign * float((number - 1) % 10))
        found[sign] = sum(proposed(sampler, space_of()))

    assert found[-1] < 0.8 * found[1]


def test_what_is_drawn_at_random_does_not_come_again_when_a_search_goes_on(space_of, sampler, add):
    space = space_of(sampler="random")
    before = proposed(sampler, space)
    add(1, 200.0)

    assert not set(before) & set(proposed(sampler, space))


@pytest.mark.parametrize("objectives", [["sum_r"], ["sum_r", "texts_per_second"]])
def test_a_past_without_figures_teaches_nothing_and_stops_nothing(objectives, space_of, sampler, add):
    space = space_of(objectives=objectives)
    found = {"sum_r": 200.0, "texts_per_second": 30.0}
    add(1, figures=found, state="failed", reason="The loss is not finite.")
    add(2, math.nan)
    add(3, 200.0, state="pruned")
    add(4, figures=found)
    study = sampler(space)._ot_study

    assert [trial.values for trial in study.trials] == [
        [found[name] for name in objectives] for _ in range(2 if len(objectives) == 1 else 1)
    ]


def test_ranks_are_searched_downwards(space_of, sampler, add):
    rank = "text_to_image.median_rank"
    space = space_of(objectives=[rank])
    assert sampler(space)._mode == "min"

    found = {}
    for sign in (1, -1):
        # The lowest are at the low end of the range, or at the high one.
        for number in range(1, 31):
            add(number, figures={rank: sign * ((number - 1) % 10)})
        found[sign] = sum(proposed(sampler, space))
    assert found[1] < 0.8 * found[-1]
