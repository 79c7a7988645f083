from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune

from tuning import search
from tuning.halving import RememberingHalving
from tuning.trial import Resources, Study


@pytest.fixture
def study(tmp_path, space_of) -> Study:
    return Study(space_of(), "data", tmp_path / "search", Resources())


def test_a_space_without_pruning_has_no_scheduler(study, trials, space_of):
    assert search._scheduler(space_of(pruning=None), trials) is None
    assert isinstance(search._scheduler(study.space, trials), RememberingHalving)


@dataclass
class Ray:
    """Stands for Ray Tune's `Tuner`: what it was asked for."""

    begun: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, trainable, tune_config, run_config):
        settings = vars(tune_config) | vars(run_config)
        self.begun.append(settings)
        return SimpleNamespace(fit=lambda: (Path(settings["storage_path"]) / settings["name"]).mkdir(parents=True))


@pytest.fixture
def ray(monkeypatch) -> Ray:
    tuner = Ray()
    monkeypatch.setattr(tune, "Tuner", tuner)
    monkeypatch.setattr(tune, "with_parameters", lambda drive, study: drive)
    return tuner


def test_a_search_begins_with_what_its_space_says(study, ray, space_of):
    limited = replace(study, space=space_of(trial_seconds=90, trials=5))
    trials = search.search(limited, concurrent=2, keep=3, loggers=["mlflow"])

    (made,) = ray.begun
    assert (made["num_samples"], made["max_concurrent_trials"], made["stop"]) == (5, 2, {"training_seconds": 90})
    assert made["callbacks"][1:] == ["mlflow"]
    assert made["name"] == "search-1"
    assert Path(made["storage_path"]).is_absolute()
    assert trials.folder == study.storage / "trials"


def test_the_process_of_a_pruned_trial_is_not_given_to_the_next_one(study, ray):
    search.search(study, concurrent=1, keep=3)

    # Its thread still waits for the run's workers, and Ray gives up a trial that gets it.
    assert not ray.begun[0]["reuse_actors"]


def test_a_search_goes_on_with_as_many_trials_as_are_missing_and_knows_the_others(study, ray, add, space_of):
    for number in range(1, 6):
        add(number, 200.0)
    add(6, state="running")
    for trials, concurrent in ((8, 1), (12, 3)):
        search.search(replace(study, space=space_of(trials=trials)), concurrent=concurrent, keep=3)

    assert [(made["name"], made["num_samples"], made["max_concurrent_trials"]) for made in ray.begun] == [
        ("search-1", 3, 1),
        ("search-2", 7, 3),
    ]
    assert [made["search_alg"]._numbers for made in ray.begun] == [[6, 7, 8], [6, *range(7, 13)]]


def test_a_search_that_is_over_runs_nothing(study, ray, add):
    for number in range(1, study.space.trials + 1):
        add(number, 200.0)

    assert len(search.search(study, concurrent=1, keep=3).all()) == study.space.trials
    assert ray.begun == []
