from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl2cm_plugin.errors import UserError
from trainer.evaluation.picture_hits import PictureHits
from trainer.evaluation.retrieval import Ranks, rank


def random_ranks(seed: int, pictures: int, captions: int) -> Ranks:
    random = np.random.default_rng(seed)
    images, texts = random.normal(size=(pictures, 4)), random.normal(size=(captions, 4))
    return rank(images, texts, random.integers(0, pictures, captions))


def test_hits_by_hand():
    # Picture 0 has no caption; picture 1 two, at ranks 1 and 6; picture 2 one, at rank 20.
    ranks = Ranks(np.array([1, 20, 6]), np.array([2, 11]), np.array([1, 2, 1]), gallery=3)
    hits = PictureHits.of(ranks)

    assert hits.queries.tolist() == [0, 2, 1]
    assert hits.text_hits.tolist() == [[0, 0, 0], [1, 1, 2], [0, 0, 0]]
    assert hits.image_hits.tolist() == [[0, 0, 0], [0, 1, 1], [0, 0, 0]]


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 120))
@settings(max_examples=30, deadline=None)
def test_hits_sum_to_the_published_shares(seed, pictures, captions):
    ranks = random_ranks(seed, pictures, captions)
    hits, figures = PictureHits.of(ranks), ranks.figures

    for column, k in enumerate(("r1", "r5", "r10")):
        text = 100 * hits.text_hits[:, column].sum() / hits.queries.sum()
        image = 100 * hits.image_hits[:, column].sum() / (hits.queries > 0).sum()
        assert text == pytest.approx(getattr(figures.text_to_image, k))
        assert image == pytest.approx(getattr(figures.image_to_text, k))


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 120))
@settings(max_examples=30, deadline=None)
def test_hits_come_back_from_json_as_they_were(seed, pictures, captions):
    hits = PictureHits.of(random_ranks(seed, pictures, captions), "name")
    back = PictureHits.from_dict(json.loads(json.dumps(hits.as_dict())))

    assert back.asked == "name"
    for name in ("text_hits", "queries", "image_hits"):
        np.testing.assert_array_equal(getattr(back, name), getattr(hits, name))


def test_a_thousand_pictures_stay_below_ten_kilobytes():
    assert len(json.dumps(PictureHits.of(random_ranks(0, 1081, 6466), "0123456789abcdef").as_dict())) < 10_000


@pytest.mark.parametrize(
    "change",
    [
        {"queries": "AQ=="},
        {"text_hits": "AQEB"},
        {"image_hits": None},
        {"pictures": 4},
        {"text_hits": "not base64"},
    ],
)
def test_hits_that_were_cut_or_are_none_are_refused(change):
    values = PictureHits.of(random_ranks(0, 5, 9)).as_dict()

    with pytest.raises(UserError, match="no hits picture by picture"):
        PictureHits.from_dict({**values, **change})
    with pytest.raises(UserError, match="KeyError"):
        PictureHits.from_dict({})


def test_more_captions_than_a_byte_counts_are_an_error():
    ranks = Ranks(np.ones(256, int), np.ones(1, int), np.zeros(256, int), gallery=1)

    with pytest.raises(UserError, match=r"256 captions.*255 at most"):
        PictureHits.of(ranks)
