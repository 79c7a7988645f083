from __future__ import annotations

import numpy as np
import pytest

from trainer.demo import figures
from trainer.demo.figures import HELD, TOGETHER, TOGETHER_HELD, WHOLE, Vectors

COUNT = 40


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def vectors():
    """Pictures that equal their English names; German names that say nothing."""
    generator = np.random.default_rng(0)
    english = unit(generator.normal(size=(COUNT, 16)))
    german = np.tile(unit(np.ones((1, 16))), (COUNT, 1))
    return Vectors(english.copy(), {"en": english, "de": german}, np.arange(COUNT) % 2 == 0)


def test_names_that_equal_their_pictures_are_always_found(vectors):
    found = figures.recall(vectors, "de")

    assert [found[case]["en"] for case in (WHOLE, HELD, TOGETHER, TOGETHER_HELD)] == [100, 100, 100, 100]


def test_a_name_that_says_nothing_is_found_by_chance_alone(vectors):
    found = figures.recall(vectors, "de")

    # One and the same query for all: it finds the same ten pictures whatever was meant.
    assert found[WHOLE]["de"] == found[WHOLE]["chance"] == 100 * 10 / COUNT
    assert found[HELD]["de"] == found[HELD]["chance"] == 100 * 10 / (COUNT / 2)


def test_held_out_pictures_are_ranked_among_themselves_alone(vectors):
    # Every seen picture looks exactly like what the held-out names say.
    vectors.pictures[~vectors.held_out] = vectors.names["en"][vectors.held_out]
    found = figures.recall(vectors, "de")

    assert found[HELD]["en"] == 100


def test_figures_are_averaged_over_runs():
    runs = [{"whole": {"en": 10.0, "chance": 0.5}}, {"whole": {"en": 20.55, "chance": 0.5}}]

    assert figures.mean(runs) == {"whole": {"en": 15.3, "chance": 0.5}}
