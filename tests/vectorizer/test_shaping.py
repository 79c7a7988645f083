"""vectorizer.shaping: parts joined, dimensions left out."""

from __future__ import annotations

import numpy as np
import pytest

from cl2cm_plugin.vectorizer.failures import InvalidRequestError, UnusableItemError
from cl2cm_plugin.vectorizer.shaping import checked_dimensions, joined, narrowed

FIRST, SECOND = np.eye(3, dtype=np.float32)[:2]


def test_what_belongs_together_becomes_its_normalised_mean_and_the_rest_stays():
    single, pair, last = joined([FIRST, FIRST, SECOND, SECOND], [1, 2, 1])
    assert single is FIRST
    assert last is SECOND
    np.testing.assert_allclose(pair, (FIRST + SECOND) / np.sqrt(2), rtol=1e-6)
    assert pair.dtype == np.float32


def test_shorter_vectors_are_unit_vectors_and_full_ones_stay():
    vector = np.array([0.6, 0.0, 0.8], dtype=np.float32)
    (short,) = narrowed([vector], 2)
    assert short.tolist() == [1, 0]
    assert short.dtype == np.float32
    assert narrowed([vector], 3)[0] is vector


@pytest.mark.parametrize(
    "nothing", [lambda: joined([FIRST, -FIRST], [2]), lambda: narrowed([FIRST[::-1].copy()], 2)], ids=["mean", "short"]
)
def test_a_vector_of_which_nothing_is_left_is_refused(nothing):
    with pytest.raises(UnusableItemError, match="ask for more dimensions"):
        nothing()


@pytest.mark.parametrize("wanted", [1, 8])
def test_dimensions_that_vectors_have_can_be_asked_for(wanted):
    assert checked_dimensions(wanted, 8) == wanted


@pytest.mark.parametrize("wanted", [-1, 0, 9])
def test_other_dimensions_are_refused(wanted):
    with pytest.raises(InvalidRequestError, match=f"{wanted} dimensions are asked for; 1 to 8 can be had here"):
        checked_dimensions(wanted, 8)
