"""TorchEngine over a tiny random model of stock modules."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cl2cm_plugin.vectorizer.engines import EngineError, checked
from cl2cm_plugin.vectorizer.engines.torch_engine import TorchEngine


@pytest.fixture(scope="module")
def engine(tiny_model):
    return TorchEngine(tiny_model)


def test_both_towers_give_unit_vectors_of_one_space(engine):
    texts = engine.encode_texts(["ein hund", "", "  ", "日本語", "hund " * 1000])
    images = engine.encode_images([Image.new("RGB", size, "red") for size in ((1, 1), (40, 30), (300, 10))])
    for vectors, count in ((texts, 5), (images, 3)):
        assert vectors.shape == (count, 16)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_batch(engine):
    texts = ["a", "ein hund am strand", "hund " * 20]
    together = engine.encode_texts(texts)
    alone = np.concatenate([engine.encode_texts([text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-5)


def test_a_text_that_names_a_picture_is_a_text(engine, tmp_path):
    file = tmp_path / "hund.png"
    Image.new("RGB", (8, 8), "red").save(file)
    texts = [str(file), "http://127.0.0.1:9/a.png", "data:image/png;base64,AAAA"]
    vectors = engine.encode_texts(texts)
    assert not np.allclose(vectors[0], engine.encode_images([Image.open(file)])[0], atol=1e-3)


@pytest.mark.parametrize("number", [np.nan, np.inf, 0.0])
def test_vectors_that_a_search_could_not_use_are_refused(number):
    with pytest.raises(EngineError, match="no usable vector"):
        checked(np.full((1, 4), number, dtype=np.float32))
