from __future__ import annotations

import math

import pytest

from tuning.trials import DIED, TrialRecord, Trials


def test_trials_come_in_the_order_of_their_numbers(trials, add):
    written = [add(number, 200.5) for number in (10, 9, 1)]

    assert trials.all() == written[::-1]


def test_a_search_without_trials_has_none(tmp_path):
    absent = Trials(tmp_path / "absent")

    assert (absent.all(), absent.ranked("sum_r"), next(absent.unused())) == ([], [], 1)


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


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"number": 2}', '{"number": 2, "chosen": {}, "x": 1}'])
def test_a_damaged_file_costs_its_own_trial_alone(text, trials, add):
    add(1, 200.0)
    add(2, 300.0)
    (trials.folder / "2" / "trial.json").write_text(text)

    assert [trial.number for trial in trials.all()] == [1]
    # What it left of a run is that of its own values.
    assert next(trials.unused()) == 3


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
    file = trials.folder / "1" / "reports.jsonl"
    file.write_text(file.read_text() + '{"progress": 20.0, "ph')
    trials.note(record, {"progress": 30.0, "phase": "a", "sum_r": 3.0})

    assert [row["sum_r"] for row in trials.reports(record)] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("state", "reason", "ended"),
    [
        *((state, "", True) for state in ("finished", "pruned", "out of time")),
        ("failed", "The loss is not finite.", True),
        ("failed", DIED, False),
        ("running", "", False),
    ],
)
def test_a_failure_of_a_trials_own_is_an_end_that_stays(state, reason, ended):
    assert TrialRecord(1, {}, state, reason=reason).has_ended is ended
