from __future__ import annotations

import io

import pytest
from rich.console import Console

from tuning import progress
from tuning.progress import Log, told


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


def lines(console):
    return console.file.getvalue().splitlines()


def test_a_log_tells_of_every_beginning_and_end_once(trials, add, space_of, console):
    add(1, 200.0)
    log = Log(trials, space_of(), console)
    add(2, state="running")
    log.tell()
    log.tell()
    add(2, 250.04, seconds=102.0)
    add(3, state="failed", reason="Out of memory [/tmp/x].\nTry a smaller batch_size.", seconds=3.0)
    log.tell()
    log.tell()

    assert lines(console) == [
        "trial 2 begins: temperature 0.04, distillation off",
        "trial 2 finished after 0:01:42: SumR 250.0 (3 of 8 done, best 250.0 in trial 2)",
        "trial 3 failed after 0:00:03: Out of memory [/tmp/x]. Try a smaller batch_size. (3 of 8 done, best 250.0 in "
        "trial 2)",
    ]


def test_a_log_is_kept_while_a_search_runs_and_to_its_last_trial(trials, add, space_of, console, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LOOKS", 0.01)
    with told(trials, space_of(), console):
        add(1, 200.0)

    assert lines(console) == ["trial 1 finished after 0:01:00: SumR 200.0 (1 of 8 done, best 200.0 in trial 1)"]


def test_a_search_that_breaks_leaves_its_log_whole(trials, add, space_of, console):
    with pytest.raises(RuntimeError, match="broken"), told(trials, space_of(), console):
        add(1, 200.0, state="pruned")
        raise RuntimeError("broken")

    assert lines(console) == ["trial 1 pruned after 0:01:00: SumR 200.0 (1 of 8 done)"]


def test_a_terminal_has_the_live_table(trials, add, space_of):
    terminal = Console(file=io.StringIO(), width=80, height=24, force_terminal=True, color_system=None)
    with told(trials, space_of(), terminal):
        add(1, 200.0)

    assert "Small: 1 of 8 trials done (1 finished)" in terminal.file.getvalue()
