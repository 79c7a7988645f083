from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from trainer.evaluation.failures import Failure, draw_failures, worst
from trainer.evaluation.measurement import Measurement
from trainer.evaluation.retrieval import rank


def measurement_of(images, texts, owner):
    names, captions = [f"p{row}" for row in range(len(images))], [f"c{row}" for row in range(len(texts))]
    return Measurement("en", names, captions, images, texts, rank(images, texts, owner))


def test_failures_by_hand(measure):
    assert worst(measure(["en"])["en"].all) == [
        Failure("sun-b", "sun", 3, ["bee", "ant"]),
        Failure("ant-b and more words", "ant", 2, ["bee"]),
    ]


def test_failures_are_the_worst_queries_of_different_pictures():
    random = np.random.default_rng(0)
    owner = random.integers(0, 40, 150)
    measurement = measurement_of(random.normal(size=(40, 6)), random.normal(size=(150, 6)), owner)

    failures = worst(measurement, 10)

    worst_of = {f"p{row}": measurement.ranks.text_to_image[owner == row].max() for row in set(owner)}
    assert [failure.rank for failure in failures] == sorted(worst_of.values(), reverse=True)[:10]
    assert all(failure.rank == worst_of[failure.media_id] for failure in failures)
    assert len({failure.media_id for failure in failures}) == 10
    assert all(len(failure.found) == 5 and failure.media_id not in failure.found for failure in failures)


def test_pictures_found_instead_are_the_best_ones_and_those_that_tie():
    images, text = np.eye(3), np.array([[0.5, 0.5, 0.9]])

    assert worst(measurement_of(images, text, [0])) == [Failure("c0", "p0", 3, ["p2", "p1"])]


def test_a_perfect_model_fails_nowhere():
    assert worst(measurement_of(np.eye(3), np.eye(3), [0, 1, 2])) == []


def test_a_sheet_shows_the_picture_that_was_meant_and_those_found_instead(toy_corpus, measure, tmp_path):
    sheets = {}
    for found in ([], ["bee"]):
        failure = replace(worst(measure(["en"])["en"].all)[1], found=found)
        draw_failures([failure], toy_corpus, "Title", 3, tmp_path / "out" / "sheet.png")
        with Image.open(tmp_path / "out" / "sheet.png") as sheet:
            sheets[len(found)] = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 20)}

    red, green = (255, 0, 0), (0, 255, 0)
    assert red in sheets[0]
    assert green not in sheets[0]
    assert {red, green} <= sheets[1]
