from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl2cm_plugin.errors import UserError
from trainer.evaluation.retrieval import evaluate, image_ranks, summarise, text_ranks


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_perfect_model_has_sum_r_600():
    result = evaluate(np.eye(12), np.eye(12), range(12))

    assert result.sum_r == 600
    assert result.as_dict()["sum_r"] == 600
    assert (result.text_to_image.median_rank, result.image_to_text.median_rank) == (1, 1)
    assert (result.text_to_image.queries, result.text_to_image.gallery) == (12, 12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_model_does_no_better_than_chance(dtype):
    n, captions = 203, 5
    constant = unit(np.ones((1, 64), dtype)).repeat(n * captions, 0)
    result = evaluate(constant[:n], constant, np.arange(n).repeat(captions))

    chance = [100 * k / n for k in (1, 5, 10)]
    found = result.text_to_image
    assert all(value <= limit for value, limit in zip((found.r1, found.r5, found.r10), chance, strict=True))
    assert result.image_to_text.r10 <= 100 * (1 - (1 - 10 / (n * captions)) ** captions) + 1


def test_ranks_and_medians_by_hand():
    # Scores of caption i (row) with picture j (column); captions 0 and 1 describe picture 0, caption 2 picture 1,
    # caption 3 picture 2.
    scores = np.array([[0.9, 0.1, 0.2], [0.3, 0.8, 0.5], [0.4, 0.4, 0.1], [0.0, 0.1, 0.2]])
    images, owner = np.eye(3), np.array([0, 0, 1, 2])

    # Caption 1's picture comes third; caption 2's ties with picture 0 and the tie counts against it.
    assert text_ranks(images, scores, owner).tolist() == [1, 3, 2, 1]
    # Picture 0: 0.9 is the best. Picture 1: its 0.4 is behind caption 1's 0.8. Picture 2: its 0.2 ties with caption
    # 0's and is behind caption 1's 0.5.
    assert image_ranks(images, scores, owner).tolist() == [1, 2, 3]

    result = evaluate(images, scores, owner)
    assert (result.text_to_image.r1, result.text_to_image.median_rank) == (50, 1.5)
    assert (result.image_to_text.r1, result.image_to_text.median_rank) == (pytest.approx(100 / 3), 2)
    assert result.sum_r == pytest.approx(50 + 100 + 100 + 100 / 3 + 100 + 100)


def test_any_caption_of_a_picture_counts_and_its_other_captions_are_no_wrong_answers():
    images = np.eye(2)
    texts = unit(np.array([[1.0, 0.01], [1.0, 0.02], [0.6, 0.8]]))

    assert image_ranks(images, texts, np.array([0, 0, 1])).tolist() == [1, 1]


def test_a_picture_without_a_caption_is_in_the_gallery_but_asks_nothing():
    images = unit(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]))
    result = evaluate(images, images[[0, 2]], [0, 2])

    assert (result.text_to_image.gallery, result.image_to_text.queries) == (3, 2)
    assert (result.text_to_image.r1, result.image_to_text.r1) == (100, 100)


def test_long_query_lists_are_ranked_in_blocks_without_a_seam():
    random = np.random.default_rng(0)
    images, texts = unit(random.normal(size=(30, 8))), unit(random.normal(size=(2500, 8)))
    owner = random.integers(0, 30, 2500)
    scores = texts @ images.T
    expected = [(scores[i] >= scores[i, owner[i]]).sum() for i in range(2500)]

    assert text_ranks(images, texts, owner).tolist() == expected


@pytest.mark.parametrize("ties", [False, True])
def test_large_galleries_are_ranked_in_blocks_without_a_seam(ties):
    random = np.random.default_rng(0)
    images, texts = random.normal(size=(300, 8)), random.normal(size=(700, 8))
    if ties:
        images, texts = images.round(), texts.round()
    owner = random.choice(np.arange(0, 300, 2), 700)
    scores = images @ texts.T
    expected = [
        1 + (scores[image, owner != image] >= scores[image, owner == image].max()).sum() for image in np.unique(owner)
    ]

    assert image_ranks(images, texts, owner).tolist() == expected


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_ranks_of_a_permuted_gallery_are_the_same(seed):
    random = np.random.default_rng(seed)
    images, texts = unit(random.normal(size=(9, 4))), unit(random.normal(size=(14, 4)))
    owner, order = random.integers(0, 9, 14), random.permutation(9)
    moved = np.argsort(order)

    np.testing.assert_array_equal(text_ranks(images, texts, owner), text_ranks(images[order], texts, moved[owner]))


def test_shares_count_ranks_up_to_the_cutoff():
    figures = summarise(np.array([1, 5, 6, 10, 11]), gallery=20)

    assert (figures.r1, figures.r5, figures.r10) == (20, 40, 80)
    assert (figures.median_rank, figures.queries, figures.gallery) == (6, 5, 20)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_an_error(broken):
    bad = np.eye(3)
    bad[1, 1] = broken

    with pytest.raises(UserError, match="picture vector"):
        evaluate(bad, np.eye(3), range(3))
    with pytest.raises(UserError, match="caption vector"):
        evaluate(np.eye(3), bad, range(3))


def test_nothing_to_evaluate_and_shapes_that_do_not_fit_are_errors():
    with pytest.raises(UserError, match="0 captions"):
        evaluate(np.eye(3), np.empty((0, 3)), [])
    with pytest.raises(UserError, match="vectors of 3 numbers and captions of 4: the model has no space"):
        evaluate(np.eye(3), np.eye(4), range(4))
    with pytest.raises(ValueError, match="do not fit"):
        evaluate(np.eye(3), np.eye(3), range(2))
