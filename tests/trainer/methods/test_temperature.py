from __future__ import annotations

import pytest
import torch

from trainer.methods.matching import Matching
from trainer.methods.temperature import Temperature
from trainer.objectives.contrastive import contrastive
from trainer.objectives.ranking import hardest_negative_hinge
from trainer.recipe_forms import Contrastive, Hinge, LearnableTemperature

LEARNED = LearnableTemperature(start=0.07)
GROUPS = torch.arange(3)


def sides() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 3, 4, generator=generator)
    return torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1)


@pytest.mark.parametrize("choice", [0.05, LearnableTemperature(start=0.05, learnable=False)])
def test_a_constant_temperature_is_a_plain_number_without_state(choice):
    temperature = Temperature(choice)

    assert temperature() == 0.05
    assert isinstance(temperature(), float)
    assert not list(temperature.parameters())
    assert not temperature.state_dict()


def test_a_learned_temperature_starts_where_the_recipe_says_and_has_a_gradient():
    matching = Matching(Contrastive(), LEARNED)
    loss = matching(*sides(), GROUPS)
    loss.backward()

    torch.testing.assert_close(loss.detach(), contrastive(*sides(), GROUPS, 0.07))
    assert matching.temperature.value.grad.abs() > 0
    assert list(matching.state_dict()) == ["temperature.value"]


@pytest.mark.parametrize(("outside", "bound"), [(-3.0, 0.001), (0.0, 0.001), (4.0, 0.5)])
def test_an_optimisers_step_out_of_the_bounds_is_taken_back(outside, bound):
    temperature = Temperature(LEARNED)
    with torch.no_grad():
        temperature.value.fill_(outside)

    assert temperature().item() == pytest.approx(bound)
    assert temperature.value.item() == pytest.approx(bound)


def test_a_temperature_at_a_bound_still_learns():
    matching = Matching(Contrastive(), LEARNED)
    with torch.no_grad():
        matching.temperature.value.fill_(9.0)
    matching(*sides(), GROUPS).backward()

    assert matching.temperature.value.grad.abs() > 0


def test_two_losses_of_a_step_may_share_a_temperature_that_was_out_of_bounds():
    matching = Matching(Contrastive(), LEARNED)
    with torch.no_grad():
        matching.temperature.value.fill_(-1.0)
    a, b = sides()
    (matching(a, b, GROUPS) + matching(b, a.flip(0), GROUPS)).backward()

    assert matching.temperature.value.grad.isfinite()


def test_a_hinge_takes_the_recipes_margin_and_reduction():
    matching = Matching(Hinge(form="hinge", margin=0.7, reduction="sum"), 0.05)

    torch.testing.assert_close(matching(*sides(), GROUPS), hardest_negative_hinge(*sides(), GROUPS, 0.7, "sum"))
