from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray import tune

from cl2cm_plugin.errors import UserError
from tuning import search
from tuning.halving import RememberingHalving
from tuning.search import alone, begin, check_is_own, read
from tuning.trial import Resources, Study


@pytest.fixture
def study(tmp_path, space_of) -> Study:
    return Study(space_of(), "data", tmp_path / "search", Resources())


def test_a_search_is_begun_once_and_read_again_with_its_resources(study):
    study = replace(study, resources=Resources(workers=4, cpus=2, gpus=1))
    check_is_own(study, resume=False)
    begin(study)

    assert read(study.storage) == study
    with pytest.raises(UserError, match="holds a search already: go on with it by --resume"):
        check_is_own(study, resume=False)


def test_what_is_resumed_is_begun_where_there_is_nothing_yet(study):
    for _ in range(2):
        check_is_own(study, resume=True)
        begin(study)

    assert read(study.storage) == study


def test_one_command_at_a_time_is_at_work_in_a_folder(study):
    study.storage.mkdir()
    with (
        alone(study.storage),
        pytest.raises(UserError, match="Another command is at work on the search in"),
        alone(study.storage),
    ):
        pytest.fail("two were let in")
    with alone(study.storage):
        pass


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"trials": 9}, "differs in trials:"),
        ({"seed": 3, "objectives": ["sum_r.de"]}, "differs in objectives, seed:"),
        ({"recipe": "paper"}, "differs in recipe:"),
        ({"data": "elsewhere"}, "differs in data:"),
    ],
)
def test_another_search_is_not_gone_on_with_and_what_differs_is_named(changed, named, study, space_of):
    begin(study)
    data = changed.pop("data", study.data)
    other = replace(study, space=space_of(**changed), data=data)

    with pytest.raises(UserError, match=named):
        check_is_own(other, resume=True)
    assert read(study.storage) == study


def test_other_resources_go_on_with_a_search(study):
    begin(study)
    check_is_own(replace(study, resources=Resources(workers=4, gpus=1)), resume=True)


def test_a_search_of_an_earlier_version_is_gone_on_with_where_lines_have_their_defaults(study):
    begin(study)
    file = study.storage / "search.json"
    facts = json.loads(file.read_text())
    del facts["space"]["confirm"], facts["space"]["sampler"], facts["resources"]
    file.write_text(json.dumps(facts))

    check_is_own(study, resume=True)


def test_a_folder_without_a_search_is_named(tmp_path):
    with pytest.raises(UserError, match=f"There is no search in {tmp_path}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is damaged \(JSONDecodeError\): name another"),
        ("[]", "is damaged"),
        ('{"space": {}}', "of another version: title: it is missing; recipe: it is missing"),
        ("{}", "is damaged"),
    ],
)
def test_a_damaged_search_is_one_sentence(text, message, study):
    study.storage.mkdir()
    (study.storage / "search.json").write_text(text)

    for ask in (lambda: read(study.storage), lambda: check_is_own(study, resume=True)):
        with pytest.raises(UserError, match=message):
            ask()


def test_the_sampler_begins_with_the_base_recipe(study):
    sampler = search._sampler(study.space)

    assert sampler.suggest("one") == study.space.defaults()
    assert sampler.suggest("two") != study.space.defaults()


def test_where_the_base_recipe_is_outside_the_space_no_trial_is_it(space_of):
    space = space_of(parameters={"cross_modal.temperature": {"from": 0.1, "to": 0.2}})

    assert 0.1 <= search._sampler(space).suggest("one")["cross_modal.temperature"] <= 0.2


def test_a_seed_gives_the_same_proposals_and_another_one_others(space_of):
    def proposals(seed):
        sampler = search._sampler(space_of(seed=seed))
        return [sampler.suggest(f"trial-{number}") for number in range(4)]

    assert proposals(1) == proposals(1)
    assert proposals(1) != proposals(2)


@pytest.mark.parametrize("objectives", [["sum_r"], ["sum_r", "texts_per_second"]])
def test_a_trial_without_a_figure_does_not_stop_the_sampler(objectives, space_of):
    sampler = search._sampler(space_of(objectives=objectives))
    failed = dict.fromkeys(objectives, float("nan")) | {"training_iteration": 1}
    sampler.suggest("one")
    sampler.on_trial_result("one", failed)
    sampler.on_trial_complete("one", failed)

    assert sampler.suggest("two")


def test_a_space_without_pruning_has_no_scheduler(study, trials, space_of):
    assert search._scheduler(space_of(pruning=None), trials) is None
    assert isinstance(search._scheduler(study.space, trials), RememberingHalving)


def test_a_search_is_gone_on_with_under_the_names_that_the_sampler_knows(study, monkeypatch):
    asked = {}

    class Tuner:
        can_restore = staticmethod(lambda path: True)

        @staticmethod
        def restore(path, trainable, **options):
            asked.update(options, path=path)
            return SimpleNamespace(fit=lambda: None)

    monkeypatch.setattr(tune, "Tuner", Tuner)
    monkeypatch.setattr(tune, "with_parameters", lambda drive, study: drive)
    search.search(study, concurrent=1, keep=3)

    # `restart_errored` would give a trial another name, and the sampler fails on it.
    assert asked == {
        "path": str(study.storage / "ray" / "search"),
        "resume_unfinished": True,
        "resume_errored": True,
    }


def test_a_search_begins_with_what_its_space_says(study, monkeypatch, space_of):
    made = {}

    class Tuner:
        can_restore = staticmethod(lambda path: False)

        def __init__(self, trainable, tune_config, run_config):
            made.update(vars(tune_config) | vars(run_config))

        def fit(self):
            made["fitted"] = True

    monkeypatch.setattr(tune, "Tuner", Tuner)
    monkeypatch.setattr(tune, "with_parameters", lambda drive, study: drive)
    limited = replace(study, space=space_of(trial_seconds=90, trials=5))
    trials = search.search(limited, concurrent=2, keep=3, loggers=["mlflow"])

    assert (made["num_samples"], made["max_concurrent_trials"], made["stop"]) == (5, 2, {"time_total_s": 90})
    assert made["callbacks"][1:] == ["mlflow"]
    assert Path(made["storage_path"]).is_absolute()
    assert made["fitted"]
    assert trials.folder == study.storage / "trials"
