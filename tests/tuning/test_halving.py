from __future__ import annotations

import math
import random
from types import SimpleNamespace

import pytest

from tuning.halving import RememberingHalving
from tuning.space import Pruning
from tuning.trials import TrialRecord


class Halving:
    """A search's process, with trials whose reports are kept on disk as the journal keeps them."""

    def __init__(self, trials, pruning) -> None:
        self._trials, self._scheduler = trials, RememberingHalving(pruning, "sum_r", trials)
        self._known = {}

    def report(self, number, progress, figure, phase="projections") -> str:
        if number not in self._known:
            # Ray calls a trial otherwise each time that a search goes on.
            self._known[number] = SimpleNamespace(trial_id=str(random.random()), config={"trial": number})
            self._scheduler.on_trial_add(None, self._known[number])
        report = {"progress": progress, "phase": phase, "sum_r": figure}
        decision = self._scheduler.on_trial_result(None, self._known[number], report)
        record = TrialRecord(number, {})
        self._trials.write(record)
        self._trials.note(record, report)
        return decision


def reports(seed):
    """What four trials at once report, of twelve: number, progress, figure, phase; stopped ones go on to report."""
    source = random.Random(seed)
    running, waiting, told = {}, list(range(1, 13)), []
    while running or waiting:
        while waiting and len(running) < 4:
            running[waiting.pop(0)] = 0
        number = source.choice(list(running))
        running[number] += 10
        progress = float(running[number])
        figure = math.nan if source.random() < 0.1 else source.uniform(100, 200)
        told.append((number, progress, figure, "projections"))
        if source.random() < 0.1:
            # A worker died after its report, and the next one makes it again.
            told.append(told[-1])
        if progress == 100:
            # With patience the end has the figure of another epoch than the last.
            told.append((number, 100.0, figure + 20, "finished"))
            del running[number]
        elif source.random() < 0.03:
            told.append((number, 100.0, math.nan, "failed"))
            del running[number]
    return told


def decisions(trials, pruning, told, restart_after):
    """Feed reports to halving; what was stopped reports no more. Other processes take over after some reports."""
    halving, stopped, made = Halving(trials, pruning), set(), []
    for place, (number, progress, figure, phase) in enumerate(told):
        if place in restart_after:
            halving = Halving(trials, pruning)
        if number in stopped:
            continue
        decision = halving.report(number, progress, figure, phase)
        made.append((number, progress, decision))
        if decision == "STOP":
            stopped.add(number)
    return made


@pytest.mark.parametrize("pruning", [Pruning(), Pruning(grace=10, factor=2), Pruning(grace=75, factor=1.15)], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_a_restarted_search_decides_as_an_uninterrupted_one(seed, pruning, trials, tmp_path):
    told = reports(seed)
    uninterrupted = decisions(type(trials)(tmp_path / "other"), pruning, told, restart_after=set())
    restarted = decisions(trials, pruning, told, restart_after=set(range(1, len(told), 7)))

    assert restarted == uninterrupted
    assert {decision for _, _, decision in restarted} == {"CONTINUE", "STOP"}


def test_the_tests_reports_tell_a_search_that_forgets(trials, tmp_path, monkeypatch):
    told = reports(0)
    pruning = Pruning(grace=10, factor=2)
    uninterrupted = decisions(type(trials)(tmp_path / "other"), pruning, told, restart_after=set())
    monkeypatch.setattr(type(trials), "reports", lambda *_: [])

    assert decisions(trials, pruning, told, restart_after=set(range(1, len(told), 7))) != uninterrupted


def test_nobody_is_stopped_before_the_grace_is_over(trials):
    halving = Halving(trials, Pruning(grace=34, factor=3))

    assert [halving.report(number, 33.9, 100.0 - number) for number in range(1, 9)] == ["CONTINUE"] * 8
    assert halving.report(9, 40.0, 50.0) == "CONTINUE"
    assert halving.report(1, 40.0, 40.0) == "STOP"


def test_of_ranks_the_highest_are_stopped(trials):
    halving = RememberingHalving(Pruning(grace=34, factor=3), "text_to_image.median_rank", trials)

    assert (halving.metric, halving._metric_op) == ("text_to_image.median_rank", -1)


def test_what_has_no_figure_stops_nobody_and_is_not_stopped(trials):
    halving = Halving(trials, Pruning(grace=34, factor=3))

    assert [halving.report(number, 40.0, math.nan) for number in (1, 2, 3)] == ["CONTINUE"] * 3
    assert halving.report(4, 40.0, 1.0) == "CONTINUE"


def test_stage_1_prunes_nobody_and_is_nothing_to_be_measured_by(trials):
    halving = Halving(trials, Pruning(grace=34, factor=3))
    # The first trial trains its network, and others take it.
    assert halving.report(1, 66.7, 300.0, "cross_lingual") == "CONTINUE"
    assert halving.report(2, 70.0, 200.0) == "CONTINUE"
    assert halving.report(1, 70.0, 210.0) == "CONTINUE"
    assert halving.report(3, 66.7, 10.0, "cross_lingual") == "CONTINUE"

    again = Halving(trials, Pruning(grace=34, factor=3))
    assert again.report(4, 70.0, 220.0) == "CONTINUE"
    assert again.report(3, 70.0, 205.0) == "STOP"


def test_a_trial_that_ends_in_stage_1_leaves_no_figure_to_be_measured_by(trials):
    halving = RememberingHalving(Pruning(grace=34, factor=3), "sum_r", trials)
    for number, figure, phase in ((1, 300.0, "cross_lingual"), (2, 200.0, "projections"), (3, 210.0, "projections")):
        trial = SimpleNamespace(config={"trial": number})
        halving.on_trial_add(None, trial)
        halving.on_trial_complete(None, trial, {"progress": 66.0, "phase": phase, "sum_r": figure})

    assert list(halving._brackets[0]._rungs[-1][1].values()) == [200.0, 210.0]


def test_the_last_report_of_the_whole_run_stops_nobody(trials):
    halving = Halving(trials, Pruning(grace=34, factor=3))
    halving.report(1, 40.0, 10.0)

    assert halving.report(1, 100.0, 10.0, "finished") == "CONTINUE"
