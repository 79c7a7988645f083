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
    """Stands for Ray Tune's `Tuner`: what it was asked for, and which parts of a search it can go on with."""

    begun: list[dict[str, Any]] = field(default_factory=list)
    restored: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, trainable, tune_config, run_config):
        settings = vars(tune_config) | vars(run_config)
        self.begun.append(settings)
        return SimpleNamespace(fit=lambda: (Path(settings["storage_path"]) / settings["name"]).mkdir(parents=True))

    def can_restore(self, path):
        return Path(path).is_dir()

    def restore(self, path, trainable, **options):
        self.restored.append({"path": path, **options})
        return SimpleNamespace(fit=lambda: None)


@pytest.fixture
def ray(monkeypatch) -> Ray:
    tuner = Ray()
    monkeypatch.setattr(tune, "Tuner", tuner)
    monkeypatch.setattr(tune, "with_parameters", lambda drive, study: drive)
    return tuner


def test_a_search_is_gone_on_with_under_the_names_that_the_sampler_knows(study, ray, add):
    part = study.storage / "ray" / "search-1"
    part.mkdir(parents=True)
    for number in range(1, study.space.trials + 1):
        add(number, 200.0)
    search.search(study, concurrent=1, keep=3)

    # `restart_errored` would give a trial another name, and the sampler fails on it.
    assert ray.restored == [{"path": str(part), "resume_unfinished": True, "resume_errored": True}]
    assert not ray.begun


def test_a_search_begins_with_what_its_space_says(study, ray, space_of):
    limited = replace(study, space=space_of(trial_seconds=90, trials=5))
    trials = search.search(limited, concurrent=2, keep=3, loggers=["mlflow"])

    (made,) = ray.begun
    assert (made["num_samples"], made["max_concurrent_trials"], made["stop"]) == (5, 2, {"time_total_s": 90})
    assert made["callbacks"][1:] == ["mlflow"]
    assert made["name"] == "search-1"
    assert Path(made["storage_path"]).is_absolute()
    assert trials.folder == study.storage / "trials"


def test_a_search_that_is_over_has_more_trials_in_a_part_of_its_own(study, ray, add, space_of):
    (study.storage / "ray" / "search-1").mkdir(parents=True)
    for number in range(1, 6):
        add(number, 200.0)
    search.search(replace(study, space=space_of(trials=12)), concurrent=1, keep=3)
    for number in range(6, 13):
        add(number, 200.0)
    search.search(replace(study, space=space_of(trials=20)), concurrent=1, keep=3)

    assert [Path(asked["path"]).name for asked in ray.restored] == ["search-1", "search-6"]
    assert [(made["name"], made["num_samples"]) for made in ray.begun] == [("search-6", 7), ("search-13", 8)]
    assert [len(made["search_alg"]._ot_study.trials) for made in ray.begun] == [5, 12]


def test_a_part_that_was_killed_before_ray_had_noted_it_begins_anew(study, ray, add, monkeypatch):
    (study.storage / "ray" / "search-4").mkdir(parents=True)
    monkeypatch.setattr(ray, "can_restore", lambda path: False)
    for number in range(1, 6):
        add(number, 200.0)
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    search.search(study, concurrent=1, keep=3)

    # Trials 4 and 5 are of the part that nobody knows.
    assert [(made["name"], made["num_samples"]) for made in ray.begun] == [("search-4", 5)]
