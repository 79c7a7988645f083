from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cl2cm_plugin.errors import UserError
from trainer import recipe as recipes
from trainer.launch import Phase
from tuning import worker
from tuning.reports import Reports
from tuning.task import Task
from tuning.worker import RayLaunch, train_task


def measured(**sums):
    """What a phase measures: SumR by language, and of the rest R@1 alone."""
    return {
        language: SimpleNamespace(sum_r=sum_r, text_to_image=SimpleNamespace(r1=sum_r / 10))
        for language, sum_r in sums.items()
    }


FIGURES = measured(en=300.0, de=200.0, fr=220.0)


@pytest.fixture
def told(monkeypatch):
    """What a worker of some rank reports to Ray Train; no Ray runs."""
    reports: list = []
    reports_of_rank = SimpleNamespace(rank=0, reports=reports)
    context = SimpleNamespace(get_world_rank=lambda: reports_of_rank.rank)
    monkeypatch.setattr(worker.train, "get_context", lambda: context)
    monkeypatch.setattr(worker.train, "report", lambda metrics: reports.append(dict(metrics)))
    return reports_of_rank


@pytest.fixture
def launch(told, tmp_path):
    """The launch of a recipe for photographs, with other lines."""

    def make(objectives=("sum_r",), **lines):
        values = recipes.changed(
            recipes.values_of("photos"), {"dev_pictures": 9, "cross_modal.optimiser.epochs": 0, **lines}
        )
        return RayLaunch(recipes.Recipe.model_validate(values), tmp_path, objectives)

    return make


@pytest.mark.parametrize("given", ["cpu", "cuda"])
def test_a_worker_trains_on_what_ray_gave_it_whatever_it_sees(given, launch, monkeypatch):
    monkeypatch.setattr(worker, "get_device", lambda: torch.device(given))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    assert launch().trainer_options()["accelerator"] == given


def epochs(launch, total, phase):
    """Go through the epochs of a phase, as Lightning does."""
    listeners = launch.callbacks(Phase(*phase, lambda: dict(FIGURES)))
    stage = torch.nn.Linear(1, 1)
    for epoch in range(total):
        for listener in listeners:
            listener.on_train_epoch_end(SimpleNamespace(max_epochs=total, current_epoch=epoch), stage)
        assert stage.training


def test_a_report_has_the_mean_of_the_target_languages_and_every_language(launch, told):
    launch(target_languages=["de", "fr"]).report(Phase("projections", 3, 3), 0.5, FIGURES)

    [report] = told.reports
    assert math.isnan(report.pop("texts_per_second"))
    assert report == {
        "progress": pytest.approx(100 * 2.5 / 3),
        "phase": "projections",
        "sum_r": 210.0,
        "sum_r.en": 300.0,
        "sum_r.de": 200.0,
        "sum_r.fr": 220.0,
        "network_seconds": 0.0,
        "training_seconds": 0.0,
    }


@pytest.mark.parametrize(
    ("languages", "mean"), [([], 300.0), (["de"], 200.0), (["de", "cs"], math.nan)], ids=["none", "one", "unmeasured"]
)
def test_the_mean_is_of_what_is_aimed_at(languages, mean, launch, told):
    off = {"cross_modal.distillation": {"form": "off"}, "cross_modal.target_weight": 0.5}
    launch(target_languages=languages, **off).report(Phase("projections", 1, 1), 1.0, FIGURES)

    assert told.reports[0]["sum_r"] == pytest.approx(mean, nan_ok=True)


def test_every_figure_that_the_search_aims_at_is_reported(launch, told):
    aims = ("text_to_image.r1", "text_to_image.r1.en", "texts_per_second")
    launch(objectives=aims, target_languages=["de", "fr"]).report(Phase("projections", 1, 1), 1.0, FIGURES)

    assert [told.reports[0][aim] for aim in aims[:2]] == [21.0, 30.0]


@pytest.mark.parametrize(("total", "reported"), [(1, [1]), (3, [1, 2, 3]), (30, [*range(3, 31, 3)]), (15, 10)])
def test_a_phase_is_reported_at_most_ten_times_and_at_its_end(total, reported, launch, told):
    epochs(launch(), total, ("projections", 1, 1))

    seen = [round(report["progress"] * total / 100) for report in told.reports]
    assert len(seen) == reported if isinstance(reported, int) else seen == reported
    assert seen[-1] == total


def test_every_epoch_is_reported_where_the_best_one_is_kept(launch, told):
    epochs(launch(**{"cross_modal.projections_first.patience": 3}), 30, ("projections", 1, 1))

    assert len(told.reports) == 30


def test_a_phase_without_figures_or_a_run_without_a_dev_cut_reports_nothing(launch, told):
    epochs(launch(dev_pictures=0), 3, ("projections", 1, 1))

    assert [type(one) for one in launch().callbacks(Phase("projections", 1, 1))] == [worker.Clock]
    assert told.reports == []


@pytest.mark.parametrize("measure", [lambda: dict(FIGURES), None], ids=["frozen sources", "trained sources"])
def test_what_training_and_the_shared_network_took_is_in_every_report(measure, launch, told, monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(worker.time, "perf_counter", lambda: now.seconds)
    run = launch()
    for number, phase in enumerate(("source_projections", "cross_lingual"), 1):
        timed(run, Phase(phase, number, 3, measure), now, 7)
    timed(run, Phase("projections", 3, 3, measure), now, 5)
    # Its workers died.
    again = launch()
    timed(again, Phase("projections", 3, 3, measure), now, 2)

    assert [report["network_seconds"] for report in told.reports] == [7, 14, 14, 0]
    assert [report["training_seconds"] for report in told.reports] == [7, 14, 19, 21]


def timed(launch, phase, now, seconds):
    """Go through a phase that takes some time, and some for what is no training."""
    clocks = [one for one in launch.callbacks(phase) if isinstance(one, worker.Clock)]
    for clock in clocks:
        clock.on_fit_start(None, None)
    now.seconds += seconds
    launch.report(phase, 1.0, FIGURES)
    for clock in clocks:
        clock.on_fit_end(None, None)
    now.seconds += 100


def test_the_first_worker_alone_keeps_reports_and_every_one_reports(launch, told, tmp_path):
    told.rank = 1
    launch().report(Phase("projections", 1, 1), 1.0, FIGURES)
    assert (len(told.reports), Reports(tmp_path).all()) == (1, [])

    told.rank = 0
    launch().report(Phase("projections", 1, 1), 1.0, FIGURES)
    assert (len(told.reports), len(Reports(tmp_path).all())) == (2, 1)


def test_the_end_has_the_figures_of_the_last_epoch(launch, told, tmp_path):
    run = launch()
    for share, figure in ((0.5, 250.0), (1.0, 240.0)):
        run.report(Phase("projections", 1, 1), share, measured(en=300.0, de=figure))
    run.report_end(None)

    assert (told.reports[-1]["sum_r"], told.reports[-1]["progress"], told.reports[-1]["phase"]) == (
        240.0,
        100,
        "finished",
    )
    assert Reports(tmp_path).last()["phase"] == "finished"


@pytest.mark.parametrize("last", ["projections_first", "optimiser"])
def test_with_patience_the_end_has_the_figures_of_the_epoch_that_is_kept(last, launch, told):
    optimiser = {"cross_modal.optimiser.epochs": 4 if last == "optimiser" else 0}
    run = launch(**{f"cross_modal.{last}.patience": 2}, **optimiser)
    for share, figure in ((0.25, 230.0), (0.5, 250.0), (0.75, 240.0), (1.0, 200.0)):
        run.report(Phase(last, 1, 1), share, measured(en=300.0, de=figure))
    run.report_end(None)
    run.report_end(None)

    # A run that was finished before says the same again.
    assert [report["sum_r"] for report in told.reports[-2:]] == [250.0, 250.0]


def test_patience_of_an_earlier_phase_keeps_nothing_of_the_last(launch):
    lines = {"cross_modal.projections_first.patience": 2, "cross_modal.optimiser.epochs": 4}

    assert not launch(**lines).keeps_best
    assert launch(**{"cross_modal.projections_first.patience": 2}).keeps_best


def test_a_run_in_which_nothing_was_measured_ends_with_every_objective_unknown(launch, told):
    launch(objectives=("sum_r.de", "sum_r")).report_end(None)

    assert {name for name, value in told.reports[-1].items() if value != value} == {"sum_r", "sum_r.de"}


def test_encoding_speed_is_measured_where_it_is_an_objective(launch, told, monkeypatch):
    monkeypatch.setattr(worker, "_texts_per_second", lambda run: 987.0)
    for objectives in (("sum_r",), ("sum_r", "texts_per_second")):
        run = launch(objectives=objectives)
        run.report(Phase("projections", 1, 1), 1.0, FIGURES)
        run.report_end(None)

    assert [report["texts_per_second"] for report in told.reports] == pytest.approx(
        [math.nan, math.nan, math.nan, 987.0], nan_ok=True
    )


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Train a task that ends in an error: the reason that it leaves, or none."""

    def end_in(error):
        def fail(task):
            raise error

        monkeypatch.setattr(worker, "_train", fail)
        task = Task({}, "data", str(tmp_path), "networks", threads=torch.get_num_threads())
        with pytest.raises(type(error)):
            train_task(task)
        return task.reason.read_text() if task.reason.is_file() else None

    return end_in


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            UserError("The loss is not finite:\nlower the learning rate."),
            "The loss is not finite: lower the learning rate.",
        ),
        (MemoryError(), "Out of memory. Try a smaller batch_size."),
        (
            MemoryError("Unable to allocate 2 GiB"),
            "Out of memory: Unable to allocate 2 GiB. Try a smaller batch_size.",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual."),
            "Out of memory: CUDA out of memory. Tried to allocate 2 GiB. Try a smaller batch_size.",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            "Out of memory: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes. "
            "Try a smaller batch_size.",
        ),
        (RuntimeError("a worker beside this one died"), None),
    ],
)
def test_what_trying_again_would_not_change_leaves_its_reason(error, reason, train):
    assert train(error) == reason


def test_a_worker_computes_with_the_threads_of_its_task(monkeypatch, tmp_path):
    wanted: list = []
    monkeypatch.setattr(worker, "_train", lambda task: None)
    monkeypatch.setattr(worker.torch, "set_num_threads", wanted.append)
    for threads in (3, 0):
        train_task(Task({}, "data", str(tmp_path), "networks", threads=threads))

    assert wanted == [3]


def test_one_worker_waits_for_nobody_and_keeps_other_runs_out(launch, tmp_path):
    with launch().alone(Path(tmp_path / "networks" / "key.lock")), launch().in_turn():
        assert (tmp_path / "networks" / "key.lock").exists()
