from __future__ import annotations

import math

import pytest

from trainer.evaluation.retrieval import Direction, Retrieval
from tuning.objectives import direction, is_known, language_of, measured, words, worth


def retrieval(r1: float, rank: float = 3.0) -> Retrieval:
    return Retrieval(Direction(r1, 20, 30, rank, 9, 9), Direction(r1 + 1, 40, 50, rank + 1, 9, 9))


FOUND = {"en": retrieval(10), "de": retrieval(4, 6.0), "fr": retrieval(6, 9.0)}


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        ("sum_r", (4 + 20 + 30 + 5 + 40 + 50 + 6 + 20 + 30 + 7 + 40 + 50) / 2),
        ("sum_r.en", 161),
        ("text_to_image.r1", 5),
        ("text_to_image.r1.en", 10),
        ("image_to_text.r10.de", 50),
        ("text_to_image.median_rank", 7.5),
        ("image_to_text.median_rank.fr", 10),
        ("sum_r.cs", math.nan),
    ],
)
def test_a_figure_is_that_of_its_language_or_the_mean_of_the_targets(objective, value):
    assert is_known(objective)
    assert measured(objective, FOUND, ["de", "fr"]) == pytest.approx(value, nan_ok=True)


def test_a_target_that_was_not_measured_leaves_no_mean():
    assert math.isnan(measured("sum_r", FOUND, ["de", "cs"]))


@pytest.mark.parametrize("objective", ["speed", "r1", "text_to_image", "text_to_image.r2", "sum", "de.sum_r", ""])
def test_what_is_not_measured_is_no_objective(objective):
    assert not is_known(objective)


def test_a_language_is_told_from_the_figure():
    names = ("sum_r", "sum_r.de", "text_to_image.r10", "text_to_image.r10.pt", "texts_per_second", "sum_r.")

    assert [language_of(name) for name in names] == [None, "de", None, "pt", None, ""]


def test_of_ranks_the_lowest_is_the_best():
    assert worth("text_to_image.median_rank.de", 3) > worth("text_to_image.median_rank.de", 4)
    assert worth("sum_r.de", 3) < worth("sum_r.de", 4)
    assert [direction(name) for name in ("image_to_text.median_rank", "texts_per_second")] == ["minimize", "maximize"]


def test_figures_are_named_for_people():
    names = ("sum_r", "sum_r.de", "text_to_image.r1", "image_to_text.median_rank.fr", "texts_per_second")

    assert [words(name) for name in names] == [
        "SumR",
        "SumR de",
        "R@1 text to image",
        "median rank image to text fr",
        "texts a second",
    ]
