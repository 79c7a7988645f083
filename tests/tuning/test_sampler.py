from __future__ import annotations

import pytest

from tuning.sampler import sampler

TEMPERATURE = "cross_modal.temperature"


def test_the_sampler_begins_with_the_base_recipe(space_of):
    space = space_of()
    made = sampler(space)

    assert made.suggest("one") == space.defaults()
    assert made.suggest("two") != space.defaults()


def test_where_the_base_recipe_is_outside_the_space_no_trial_is_it(space_of):
    space = space_of(parameters={"cross_modal.temperature": {"from": 0.1, "to": 0.2}})

    assert 0.1 <= sampler(space).suggest("one")["cross_modal.temperature"] <= 0.2


def test_a_seed_gives_the_same_proposals_and_another_one_others(space_of):
    def proposals(seed):
        made = sampler(space_of(seed=seed))
        return [made.suggest(f"trial-{number}") for number in range(4)]

    assert proposals(1) == proposals(1)
    assert proposals(1) != proposals(2)


@pytest.mark.parametrize("objectives", [["sum_r"], ["sum_r", "texts_per_second"]])
def test_a_trial_without_a_figure_does_not_stop_the_sampler(objectives, space_of):
    made = sampler(space_of(objectives=objectives))
    failed = dict.fromkeys(objectives, float("nan")) | {"training_iteration": 1}
    made.suggest("one")
    made.on_trial_result("one", failed)
    made.on_trial_complete("one", failed)

    assert made.suggest("two")


def proposed(space, past):
    made = sampler(space, past)
    return [made.suggest(f"trial-{number}")[TEMPERATURE] for number in range(12)]


def test_a_search_that_goes_on_learns_from_what_it_has_found(space_of, add):
    space = space_of()
    # The best are at the low end, or at the high one.
    low = [add(number, -float(number)) for number in range(1, 11) for _ in range(3)]
    high = [add(number, float(number)) for number in range(1, 11) for _ in range(3)]

    assert sum(proposed(space, low)) < 0.8 * sum(proposed(space, high))


def test_what_is_drawn_at_random_does_not_come_again_when_a_search_goes_on(space_of, add):
    space = space_of(sampler="random")

    assert not set(proposed(space, [])) & set(proposed(space, [add(1, 200.0)]))


@pytest.mark.parametrize("objectives", [["sum_r"], ["sum_r", "texts_per_second"]])
def test_a_past_without_figures_teaches_nothing_and_stops_nothing(objectives, space_of, add):
    space = space_of(objectives=objectives)
    found = {"sum_r": 200.0, "texts_per_second": 30.0}
    past = [add(1, state="failed"), add(2, 200.0, state="pruned"), add(3, figures=found)]
    study = sampler(space, past)._ot_study

    assert [trial.values for trial in study.trials] == [
        [found[name] for name in objectives] for _ in range(2 if len(objectives) == 1 else 1)
    ]


def test_ranks_are_searched_downwards(space_of, add):
    rank = "text_to_image.median_rank"
    space = space_of(objectives=[rank])
    # The lowest are at the low end of the range, or at the high one.
    low, high = (
        [add(number, figures={rank: sign * number}) for number in range(1, 11) for _ in range(3)] for sign in (1, -1)
    )

    assert sampler(space)._mode == "min"
    assert sum(proposed(space, low)) < 0.8 * sum(proposed(space, high))
