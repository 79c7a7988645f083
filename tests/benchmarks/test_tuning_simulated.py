"""Simulated searches: the model of a space, and what a simulated search costs."""

from __future__ import annotations

import numpy as np
import pytest
from tuning_parts import simulated
from tuning_parts.space_model import SpaceModel

from tuning import spaces
from tuning.sampler import Sampler
from tuning.task import FINISHED, NETWORK_SECONDS, PHASE, PROGRESS, TRIAL
from tuning.trials import PRUNED, TrialRecord, Trials


@pytest.fixture(scope="module")
def space():
    return spaces.load("cl2cm", trials=24)


@pytest.fixture(scope="module")
def real(space, tmp_path_factory):
    """Forty trials whose figure is told by depth and dropout; every other one trained a network."""
    trials = Trials(tmp_path_factory.mktemp("trials"))
    sampler = Sampler(space.model_copy(update={"sampler": "random"}), trials, 40)
    for number in range(40):
        chosen = sampler.suggest(str(number))
        sampler.on_trial_complete(str(number), {"sum_r": 0.0})
        figure, own = _figure(chosen), number % 2 == 0
        record = TrialRecord(chosen.pop(TRIAL), chosen, FINISHED, {"sum_r": figure}, seconds=100.0 if own else 40.0)
        trials.write(record)
        for progress, share in ((77, 0.2), (80, 0.9), (100, 1.0)):
            report = {PROGRESS: progress, PHASE: "projections", NETWORK_SECONDS: 60.0 * own, "sum_r": share * figure}
            trials.note(record, report)
    return trials


def _figure(chosen):
    return 300 + 5 * chosen["model.trained_layers"] - 100 * (chosen["cross_modal.feature_dropout"] - 0.4) ** 2


def test_the_model_foresees_figures_and_when_they_are_judged(space, real):
    model, luck = SpaceModel(space, [real]), np.random.default_rng(0)
    assert model.known == 40
    assert model.explained > 0.9
    assert 0 < model.error < 1
    for dropout in (0.2, 0.4, 0.6):
        chosen = {**space.defaults(), "cross_modal.feature_dropout": dropout}
        figures = [model.figure(chosen, luck) for _ in range(200)]
        assert np.mean(figures) == pytest.approx(_figure(chosen), abs=3 * model.error)
        assert np.std(figures) == pytest.approx(model.error, rel=0.2)
    assert model.when_judged(320.0, luck) == pytest.approx(288, abs=0.1), "the first report after grace"


def test_a_trial_takes_what_others_of_its_kind_took(space, real):
    model = SpaceModel(space, [real])
    assert model.seconds(FINISHED, trains=True) == 100
    assert model.seconds(FINISHED, trains=False) == 40
    assert model.seconds(PRUNED, trains=False) == 40, "none was pruned: what a whole one takes"


def test_only_shared_networks_are_paid_once(space, real, tmp_path):
    model, nothing = SpaceModel(space, [real]), Trials(tmp_path)
    shared = simulated.search(model, space, nothing, shared=True)
    alone = simulated.search(model, space, nothing, shared=False)
    assert len(shared) == len(alone) == 24
    assert alone[-1][0] == 2400
    assert shared[-1][0] < 24 * 40 + 18 * 60, "there are eighteen networks"
    assert shared[0][1] == float("-inf"), "the base recipe costs its time and no more"
    assert [best for _, best in shared] == sorted(best for _, best in shared)
    assert simulated.search(model, space, nothing, shared=True) == shared, "seeded"
