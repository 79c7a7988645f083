from __future__ import annotations

import pytest
from rich.console import Console

from tuning import spaces
from tuning.table import live
from tuning.trials import TrialRecord

PARAMETERS = len(spaces.load("cl2cm").parameters)


@pytest.fixture
def drawn(trials, space_of):
    """The table as text, in a terminal of some size."""

    def draw(width=80, height=24, space=None):
        console = Console(width=width, height=height, color_system=None, force_terminal=True)
        with console.capture() as text:
            console.print(live(trials, space or space_of()))
        return text.get()

    return draw


@pytest.fixture
def many(trials):
    """A search of both stages, with twelve parameters, on its way: two trials run, one has just failed."""
    space = spaces.load("cl2cm")
    for number in range(1, 27):
        state = "running" if number > 24 else "failed" if number == 23 else "finished" if number % 3 else "pruned"
        figures = {} if number == 26 else {"sum_r": 200.0 + number}
        reason = "Out of memory: CUDA out of memory. Try a smaller batch_size." if state == "failed" else ""
        progress = {"running": 41.6, "pruned": 34.0}.get(state, 100.0)
        record = TrialRecord(number, space.defaults(), state, figures, progress, "projections", 75, reason)
        trials.write(record)
    return space


def line_of(text, number):
    return next(line for line in text.splitlines() if line.split()[:1] == [str(number)])


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (100, 30)])
def test_what_runs_the_best_and_reasons_fit_into_the_terminal(width, height, drawn, many):
    assert PARAMETERS == 9
    text = drawn(width, height, many)

    assert len(text.splitlines()) < height
    assert max(map(len, text.splitlines())) <= width
    for number in (25, 26):
        assert line_of(text, number).split()[:4] == [str(number), "running", "42", "%"]
    assert "projections: " in line_of(text, 25)
    assert " ".join(text.split()).count("Best: trial 22, SumR 222.0: trained_layers 4, lr_backbone 0.002") == 1
    assert "word_alignment transport (beta 0.5, iterations 20, weight 0.1)" in " ".join(text.split())
    assert "Failed: trial 23: Out of memory: CUDA out of memory. Try a smaller batch_size." in " ".join(text.split())


def test_the_head_says_how_far_the_search_is(drawn, many):
    said = " ".join(drawn(200, 50, many).split())

    assert said.startswith("CL2CM, both stages: 24 of 64 trials done (2 running, 1 failed, 8 pruned, 15 finished)")


def test_a_pruned_trial_is_done_and_a_running_one_by_its_share(add, drawn, space_of):
    add(1, 200.0, state="pruned", progress=34.0)
    add(2, 200.0, state="failed", progress=10.0, reason="no")
    whole = drawn(80, 24, space_of(trials=4)).splitlines()[1].rstrip()
    add(3, 200.0, state="running", progress=50.0)
    more = drawn(80, 24, space_of(trials=4)).splitlines()[1].rstrip()

    assert (len(whole), len(more)) == (40, 50)


def test_every_trial_has_one_line(add, drawn):
    add(1, 200.0, state="pruned", progress=34.0, seconds=3725.0)
    text = drawn(80)

    assert line_of(text, 1).split()[:6] == ["1", "pruned", "34", "%", "200.0", "1:02:05"]
    assert "temperature 0.02, distillation" in line_of(text, 1)


def test_trials_that_run_are_shown_before_later_ones_that_have_ended(add, drawn):
    add(1, 200.0, state="running", progress=10.0)
    for number in range(2, 41):
        add(number, 200.0 + number)
    text = drawn(80, 24)

    assert line_of(text, 1).split()[1] == "running"
    assert line_of(text, 40).split()[1] == "finished"
    assert len(text.splitlines()) < 24


def test_square_brackets_and_line_breaks_of_a_reason_are_shown_as_they_are(add, drawn):
    add(1, state="failed", reason="No file '[/tmp/x]':\n[red]gone[/blue]")
    said = " ".join(drawn(200).split())

    assert "Failed: trial 1: No file '[/tmp/x]': [red]gone[/blue]" in said


def test_the_same_reason_is_said_once_and_the_latest_are(add, drawn):
    for number in range(1, 8):
        add(number, state="failed", reason=f"Reason {max(number, 3)}.")
    add(8, state="failed", reason="Long. " * 200)
    text = drawn(200, 50)

    foot = [line for line in text.splitlines() if line.startswith("Failed")]
    assert foot[:2] == ["Failed: trial 6: Reason 6.", "Failed: trial 7: Reason 7."]
    assert len(text) < 6000


def test_several_objectives_have_a_column_each(add, drawn, space_of):
    add(1, 200.0, figures={"sum_r.de": 210.04, "texts_per_second": 987.6})
    space = space_of(objectives=["sum_r.de", "texts_per_second"])
    text = drawn(120, 24, space)

    assert {"SumR de", "texts a second"} <= {part.strip() for part in text.splitlines()[2].split("  ") if part}
    assert line_of(text, 1).split()[4:6] == ["210.0", "987.6"]
    assert "Best: trial 1, SumR de 210.0" in text


def test_a_search_without_trials_says_so(drawn):
    assert drawn().splitlines()[0].rstrip() == "Small: 0 of 8 trials done"
