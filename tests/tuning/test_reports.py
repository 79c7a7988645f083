from __future__ import annotations

import math

import pytest

from tuning.reports import Reports


def report(phase, german, english=0.0, progress=10.0):
    return {"phase": phase, "progress": progress, "sum_r": german, "sum_r.de": german, "sum_r.en": english}


@pytest.fixture
def reports(tmp_path):
    return Reports(tmp_path)


def test_reports_are_read_as_they_were_added(reports):
    reports.add(report("projections", 200.125))
    reports.add(report("projections", math.nan))

    assert reports.all()[0] == report("projections", 200.125)
    assert math.isnan(reports.all()[1]["sum_r"])
    assert reports.last()["phase"] == "projections"


def test_a_run_that_reported_nothing_has_no_figure(reports):
    assert reports.all() == []
    assert math.isnan(reports.last()["sum_r"])
    assert math.isnan(reports.best_of_last_phase()["sum_r"])


@pytest.mark.parametrize("left", [1, 10, 25])
def test_a_line_that_a_killed_process_left_unfinished_costs_no_other_report(left, reports, tmp_path):
    for figure in (1.0, 2.0):
        reports.add(report("projections", figure))
    file = tmp_path / "reports.jsonl"
    written = file.read_bytes()
    file.write_bytes(written[:-left])
    before = [row["sum_r"] for row in reports.all()]
    reports.add(report("projections", 3.0))

    # Without its line break alone, a line is whole.
    assert before == ([1.0, 2.0] if left == 1 else [1.0])
    assert [row["sum_r"] for row in reports.all()] == [*before, 3.0]


def test_bytes_that_are_no_text_cost_their_line_alone(reports, tmp_path):
    reports.add(report("projections", 1.0))
    with (tmp_path / "reports.jsonl").open("ab") as file:
        file.write(b'\xff\x00\n"a word"\n[1]\n\n')
    reports.add(report("projections", 2.0))

    assert [row["sum_r"] for row in reports.all()] == [1.0, 2.0]


def test_the_best_of_a_phase_is_the_epoch_that_patience_keeps(reports):
    reports.add(report("source_projections", 300.0, 300.0))
    reports.add(report("projections", 210.0, 200.0))
    # The best mean of all languages, by which training stops, is not the best figure of the target languages.
    reports.add(report("projections", 205.0, 260.0, progress=20.0))
    reports.add(report("projections", 205.0, 260.0, progress=30.0))
    reports.add(report("projections", 206.0, math.nan))

    best = reports.best_of_last_phase()
    assert (best["sum_r"], best["progress"]) == (205.0, 20.0)
