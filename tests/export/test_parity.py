from __future__ import annotations

import numpy as np
import pytest

from cl2cm_plugin.export.parity import Cosines, cosines, recall
from trainer.evaluation.retrieval import evaluate


def unit(rows: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((rows, 6))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_cosines_are_those_of_the_rows():
    before = unit(200, 0)
    after = before.copy()
    after[3] = -before[3]

    assert cosines(before, after) == Cosines(pytest.approx(198 / 200), pytest.approx(1), pytest.approx(-1))


@pytest.mark.parametrize(
    ("mean", "first_percentile", "suffices"), [(0.991, 0.971, True), (0.989, 0.971, False), (0.991, 0.969, False)]
)
def test_a_tower_suffices_by_mean_and_first_percentile(mean, first_percentile, suffices):
    assert Cosines(mean, first_percentile, 0.0).suffices is suffices


@pytest.mark.parametrize("pictures", [4, 30])
def test_recall_is_that_of_the_evaluation(pictures):
    images, owners = unit(pictures, 1), np.random.default_rng(2).integers(0, pictures, 50)
    texts = unit(50, 3) + images[owners]
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    figures = evaluate(images, texts, owners)

    expected = (figures.text_to_image.r10 + figures.image_to_text.r10) / 2
    assert recall(images, texts, owners.tolist()) == pytest.approx(expected)
