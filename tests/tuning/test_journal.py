from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from ray.tune import Callback

from tuning.journal import Journal


class RayTrial:
    """What Ray Tune tells its listeners of a trial."""

    def __init__(self, number: int, journal: Journal, among: list) -> None:
        self.config = {"cross_modal.temperature": 0.1 * number, "trial": number}
        self.last_result: dict = {}
        self._journal, self._among = journal, among
        among.append(self)

    def start(self):
        self._journal.on_trial_start(0, self._among, self)
        return self

    def report(self, figure=200.0, progress=50.0, phase="projections", seconds=10.0, **more):
        figures = {"sum_r": figure, "sum_r.de": figure, "texts_per_second": math.nan, "loss": 1.0}
        took = {"time_total_s": seconds, "training_seconds": seconds}
        result = {**figures, "progress": progress, "phase": phase, **took, **more}
        self._journal.on_trial_result(0, self._among, self, result)
        self.last_result = result
        return self

    def end(self):
        self._journal.on_trial_complete(0, self._among, self)
        return self

    def die(self):
        self._journal.on_trial_error(0, self._among, self)
        return self


class RaySearch:
    """A search's process; another one on the same folder is the search that goes on."""

    def __init__(self, trials, space, keep=1) -> None:
        self.journal, self.trials = Journal(trials, space, keep), []

    def trial(self, number) -> RayTrial:
        return RayTrial(number, self.journal, self.trials)


@pytest.fixture
def search(trials, space_of):
    return RaySearch(trials, space_of())


def state(trials, number=1):
    return next(trial.state for trial in trials.all() if trial.number == number)


def test_ray_calls_what_is_defined_here():
    assert {name for name in vars(Journal) if name.startswith("on_")} <= set(dir(Callback))


def test_a_trial_is_known_from_its_beginning(search, trials):
    search.trial(1).start()

    record = trials.all()[0]
    assert (record.number, record.state, record.progress, record.figures) == (1, "running", 0, {})
    assert record.chosen == {"cross_modal.temperature": 0.1}


def test_a_report_says_how_far_a_trial_is_and_how_well_it_does(search, trials):
    search.trial(1).start().report(201.5, 40.0, "cross_lingual", seconds=12.34)

    record = trials.all()[0]
    assert (record.progress, record.phase, record.seconds, record.state) == (40.0, "cross_lingual", 12.3, "running")
    assert record.figures == {"sum_r": 201.5, "sum_r.de": 201.5}
    [report] = trials.reports(record)
    assert (report["progress"], report["sum_r"], report["seconds"]) == (40.0, 201.5, 12.3)


def test_a_figure_that_is_not_known_yet_leaves_the_last_one(search, trials):
    search.trial(1).start().report(201.5).report(math.nan)

    assert trials.all()[0].figure("sum_r") == 201.5


def test_a_trial_that_reported_its_end_is_finished(search, trials):
    search.trial(1).start().report().report(progress=100.0, phase="finished").end()

    assert state(trials) == "finished"


def test_a_trial_that_was_stopped_is_pruned(search, trials):
    search.trial(1).start().report(progress=34.0).end()

    assert (state(trials), trials.all()[0].progress) == ("pruned", 34.0)


def test_a_trial_that_was_stopped_for_its_time_is_out_of_time_and_ranked(trials, space_of):
    search = RaySearch(trials, space_of(trial_seconds=60.04))
    search.trial(1).start().report(progress=70.0, seconds=60.041).end()
    search.trial(2).start().report(progress=70.0, seconds=59.0).end()

    assert [state(trials, number) for number in (1, 2)] == ["out of time", "pruned"]
    assert [trial.number for trial in trials.ranked("sum_r")] == [1]


def test_a_trial_that_cannot_be_trained_fails_with_its_reason_where_it_was(search, trials):
    failure = {"figure": math.nan, "progress": 100.0, "phase": "failed", "failed": "Out of memory."}
    search.trial(1).start().report(201.5, 40.0, seconds=5).report(**failure, seconds=7).end()

    record = trials.all()[0]
    assert (record.state, record.reason) == ("failed", "Out of memory.")
    assert (record.progress, record.phase, record.seconds) == (40.0, "projections", 7.0)
    assert trials.ranked("sum_r") == []


def test_a_trial_whose_process_died_fails_with_a_reason_even_before_it_began(search, trials):
    search.trial(1).start().report().die()
    search.trial(2).die()

    assert [(trial.number, trial.state) for trial in trials.all()] == [(1, "failed"), (2, "failed")]
    assert all("process died" in trial.reason for trial in trials.all())


def test_the_runs_of_the_best_are_kept_and_those_that_run(trials, space_of):
    search = RaySearch(trials, space_of(), keep=2)
    ended = [search.trial(number).start().report(figure) for number, figure in enumerate((3.0, 1.0, 2.0, 9.0), 1)]
    for trial in search.trials:
        (trials.folder / str(trial.config["trial"]) / "run").mkdir()
    for trial in ended[:3]:
        trial.report(progress=100.0, phase="finished", figure=trial.last_result["sum_r"]).end()

    assert sorted(run.parent.name for run in trials.folder.glob("*/run")) == ["1", "3", "4"]
    assert len(trials.all()) == 4


def test_a_search_that_goes_on_goes_on_with_its_trials(search, trials, space_of):
    search.trial(1).start().report(progress=100.0, phase="finished").end()
    search.trial(2).start().report(210.0, seconds=10.0)

    again = RaySearch(trials, space_of())
    again.trial(2).start().report(220.0, 60.0, seconds=5.0)
    again.trial(3).start()

    assert [(trial.number, trial.state) for trial in trials.all()] == [(1, "finished"), (2, "running"), (3, "running")]
    # Ray counts anew from the restart.
    assert trials.all()[1].seconds == 15.0
    assert len(trials.reports(trials.all()[1])) == 2


def test_a_failed_trial_that_is_tried_again_has_no_reason_any_more(search, trials, space_of):
    search.trial(1).start().die()

    trial = RaySearch(trials, space_of()).trial(1).start()
    assert (state(trials), trials.all()[0].reason) == ("running", "")

    trial.report(progress=100.0, phase="finished").end()
    assert state(trials) == "finished"


def test_time_that_a_trial_waited_does_not_count_to_its_limit(trials, space_of):
    search = RaySearch(trials, space_of(trial_seconds=60))
    search.trial(1).start().report(progress=34.0, seconds=90.0, training_seconds=50.0).end()

    assert state(trials) == "pruned"


def test_a_journal_travels(search, trials):
    import cloudpickle

    again = cloudpickle.loads(cloudpickle.dumps(search.journal))
    again.on_trial_start(0, [], SimpleNamespace(config={"trial": 1}, last_result={}))

    assert state(trials) == "running"
