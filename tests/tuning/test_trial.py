from __future__ import annotations

import math

import pytest
from ray.train.v2.api.exceptions import TrainingFailedError

from tuning import trial
from tuning.trial import Resources, Study

CHOSEN = {"cross_modal.temperature": 0.1, "trial": 1}


@pytest.fixture
def study(tmp_path, space_of) -> Study:
    return Study(space_of(), "data", tmp_path / "search", Resources(workers=2, cpus=3, retries=2))


@pytest.fixture
def told(monkeypatch) -> list:
    """What the driver of a trial reports to Ray Tune itself."""
    reports: list = []
    monkeypatch.setattr(trial.tune, "report", reports.append)
    return reports


@pytest.fixture
def ends(monkeypatch):
    """Runs of a driver without Ray: ``ends(reason)`` says in what they end, and gives the tasks that were run."""

    def say(reason=""):
        tasks: list = []
        monkeypatch.setattr(trial, "run", lambda task, *_: tasks.append(task) or reason)
        return tasks

    monkeypatch.setattr(trial, "TuneReportCallback", object)
    return say


@pytest.fixture
def attempts(monkeypatch, study):
    """Attempts of a run without Ray: each dies with the next message, and ends well after the last."""

    def say(*messages, reason=""):
        waiting, made = list(messages), []

        class Trainer:
            def __init__(self, work, **options):
                made.append(options["run_config"].name)
                self._task = options["train_loop_config"]["task"]

            def fit(self):
                if reason:
                    self._task.reason.write_text(reason)
                if waiting:
                    raise TrainingFailedError(waiting.pop(0))

        monkeypatch.setattr(trial, "TorchTrainer", Trainer)
        return made

    return say


@pytest.fixture
def task(study):
    folder = study.folder(1)
    folder.mkdir(parents=True)
    return study.task({}, folder)


def test_a_trial_trains_its_recipe_in_a_folder_of_its_own(study, told, ends):
    tasks = ends()
    trial.drive(CHOSEN, study)

    [task] = tasks
    assert task.recipe["cross_modal"]["temperature"] == 0.1
    assert (task.data, task.folder) == ("data", str(study.storage / "trials" / "1" / "run"))
    assert (task.networks, task.threads) == (str(study.storage / "networks"), 3)
    assert told == []


def test_threads_are_left_to_torch_where_workers_have_a_gpu(space_of, tmp_path):
    assert Study(space_of(), "data", tmp_path, Resources(gpus=0.5)).task({}, tmp_path).threads == 0


def test_a_trial_that_cannot_be_trained_reports_no_figure_and_its_reason(study, told, ends):
    ends("There is no split 'train'.")
    trial.drive(CHOSEN, study)

    [report] = told
    assert math.isnan(report["sum_r"])
    assert (report["phase"], report["failed"]) == ("failed", "There is no split 'train'.")
    # Where trials have a limit, Ray asks each report for it.
    assert report["training_seconds"] == 0


def test_values_that_do_not_go_together_are_a_reason_and_nothing_is_run(tmp_path, space_of, told, ends):
    tasks = ends()
    weight = {"from": 0.0, "to": 1.0}
    parameters = {"cross_modal.source_weight": weight, "cross_modal.target_weight": weight}
    study = Study(space_of(parameters=parameters), "data", tmp_path, Resources())
    trial.drive({**dict.fromkeys(parameters, 0.0), "trial": 3}, study)

    assert told[0]["failed"] == (
        "The values do not go together: cross_modal: pictures are matched with nothing: raise source_weight or "
        "target_weight."
    )
    assert tasks == []


def test_a_run_whose_workers_die_is_tried_again_under_another_name(study, task, attempts):
    made = attempts("died", "died")

    assert trial.run(task, study, "trial-1", []) == ""
    assert made == ["trial-1-0", "trial-1-1", "trial-1-2"]


def test_a_run_whose_workers_always_die_says_so_in_one_plain_line(study, task, attempts):
    made = attempts("one", "two", "Traceback\n\n  \x1b[36mray::Worker\x1b[39m: signal 9\n\n")

    assert (
        trial.run(task, study, "trial-1", []) == "Its workers failed 3 times, in the end with: ray::Worker: signal 9"
    )
    assert len(made) == 3


def test_a_run_that_says_why_it_cannot_be_trained_is_not_tried_again(study, task, attempts):
    made = attempts("died", "died", reason="The loss is not finite.")

    assert trial.run(task, study, "trial-1", []) == "The loss is not finite."
    assert len(made) == 1


def test_the_reason_of_an_earlier_run_is_not_that_of_this_one(study, task, attempts):
    task.reason.write_text("There is no split 'train'.")
    attempts(*["killed"] * 3)

    assert trial.run(task, study, "trial-1", []) == "Its workers failed 3 times, in the end with: killed"


@pytest.mark.parametrize(("gpus", "wanted"), [(0, {"CPU": 3}), (0.5, {"CPU": 3, "GPU": 0.5})])
def test_workers_take_what_the_resources_say(gpus, wanted):
    scaling = Resources(workers=2, cpus=3, gpus=gpus).scaling

    assert (scaling.num_workers, scaling.resources_per_worker, scaling.use_gpu) == (2, wanted, gpus > 0)
