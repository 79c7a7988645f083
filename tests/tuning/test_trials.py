from __future__ import annotations

import math

import pytest

from tuning.trials import TrialRecord, Trials


def test_trials_come_in_the_order_of_their_numbers(trials, add):
    written = [add(number, 200.5) for number in (10, 9, 1)]

    assert trials.all() == written[::-1]
    assert trials.find("trial-9") == written[1]


def test_a_search_without_trials_has_none(tmp_path):
    absent = Trials(tmp_path / "absent")

    assert (absent.all(), absent.ranked("sum_r"), absent.find("one")) == ([], [], None)
    absent.forget(set())


def test_what_ran_to_its_end_is_ranked_by_its_figure_and_the_earlier_first(trials, add):
    add(1, 200.0)
    add(2, 210.0, state="out of time")
    add(3, 210.0)
    add(4, 300.0, state="pruned")
    add(5, 300.0, state="failed", reason="no")
    add(6, 300.0, state="running")
    add(7)
    add(8, math.nan)

    assert [trial.number for trial in trials.ranked("sum_r")] == [2, 3, 1]
    assert trials.ranked("sum_r.fr") == []


def test_of_ranks_the_lowest_comes_first(trials, add):
    for number, rank in ((1, 4.0), (2, 3.0), (3, 5.0)):
        add(number, figures={"text_to_image.median_rank": rank})

    assert [trial.number for trial in trials.ranked("text_to_image.median_rank")] == [2, 1, 3]


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", '{"id": "a"}', '{"id": "a", "number": 1, "chosen": {}, "x": 1}']
)
def test_a_damaged_file_costs_its_own_trial_alone(text, trials, add):
    add(1, 200.0)
    add(2, 300.0)
    (trials.folder / "trial-2" / "trial.json").write_text(text)

    assert [trial.number for trial in trials.all()] == [1]
    assert trials.find("trial-2") is None


def test_a_trial_that_is_written_again_is_never_half_there(trials, add, monkeypatch):
    record = add(1, 200.0)
    record.figures["sum_r"] = 300.0
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        trials.write(record)

    assert trials.all()[0].figure("sum_r") == 200.0


def test_a_report_that_came_again_counts_once_and_as_it_first_came(trials, add):
    record = add(1, 200.0)
    # The last epoch and the end of the run both are the whole of it.
    rows = [(10.0, "a", 1.0), (20.0, "a", 2.0), (10.0, "a", 9.0), (100.0, "b", 4.0), (100.0, "finished", 5.0)]
    for progress, phase, figure in [*rows, (20.0, "a", 9.0)]:
        trials.note(record, {"progress": progress, "phase": phase, "sum_r": figure})

    assert [row["sum_r"] for row in trials.reports(record)] == [1.0, 2.0, 4.0, 5.0]


def test_a_report_that_a_killed_process_left_unfinished_is_left_out(trials, add):
    record = add(1, 200.0)
    trials.note(record, {"progress": 10.0, "phase": "a", "sum_r": 1.0})
    file = trials.folder / "trial-1" / "reports.jsonl"
    file.write_text(file.read_text() + '{"progress": 20.0, "ph')
    trials.note(record, {"progress": 30.0, "phase": "a", "sum_r": 3.0})

    assert [row["sum_r"] for row in trials.reports(record)] == [1.0, 3.0]


def test_what_the_search_does_not_know_is_forgotten_and_strange_files_are_left(trials, add):
    for number in (1, 2):
        add(number, 200.0)
        (trials.folder / f"trial-{number}" / "run").mkdir()
    (trials.folder / "begun").mkdir()
    (trials.folder / "notes.txt").write_text("mine")
    trials.forget({"trial-2", "trial-7"})

    assert sorted(entry.name for entry in trials.folder.iterdir()) == ["notes.txt", "trial-2"]
    assert [trial.number for trial in trials.all()] == [2]


def test_a_forgotten_trial_is_none_even_where_its_run_cannot_be_deleted(trials, add, monkeypatch):
    add(1, 200.0)
    # A worker that is still dying writes into it.
    monkeypatch.setattr("shutil.rmtree", lambda folder, ignore_errors: None)
    trials.forget(set())

    assert trials.all() == []


@pytest.mark.parametrize(
    ("state", "ended"),
    [("finished", True), ("pruned", True), ("out of time", True), ("failed", False), ("running", False)],
)
def test_a_failure_is_no_end_that_stays(state, ended):
    assert TrialRecord("a", 1, {}, state).has_ended is ended
