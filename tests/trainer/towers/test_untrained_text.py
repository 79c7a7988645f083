from __future__ import annotations

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from trainer.towers import untrained_text
from trainer.towers.untrained_text import untrained_vectors

SENTENCES = ["a red picture", "ein bild in blau", "x", "a red picture"]


def test_a_sentence_is_the_mean_of_its_words_last_states(text_backbone):
    # A folder without modules.json is given mean pooling by the library itself.
    expected = SentenceTransformer(str(text_backbone), device="cpu").encode(SENTENCES)

    np.testing.assert_allclose(untrained_vectors(text_backbone, 32, SENTENCES), expected, atol=1e-5)


def test_a_sentence_is_computed_once(text_backbone, monkeypatch):
    first = untrained_vectors(text_backbone, 32, SENTENCES)
    monkeypatch.setattr(untrained_text, "_pooled", lambda *_: pytest.fail("computed again"))

    np.testing.assert_array_equal(untrained_vectors(text_backbone, 32, SENTENCES[::-1]), first[::-1])


def test_where_sentences_are_cut_counts(text_backbone):
    long = [" ".join(["red"] * 20)]

    assert np.abs(untrained_vectors(text_backbone, 4, long) - untrained_vectors(text_backbone, 32, long)).max() > 1e-3
