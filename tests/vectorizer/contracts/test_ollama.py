"""text2vec-ollama."""

from __future__ import annotations

import numpy as np
import pytest

from ..conftest import INFO, text_vector
from .asking import close, refusal


@pytest.mark.parametrize("path", ["/api/embed", "/c/text2vec-ollama/api/embed"])
@pytest.mark.parametrize("texts", [["a"], ["a", "b", ""]])
def test_texts_give_their_vectors_in_order(client, path, texts):
    response = client.post(path, json={"model": "nomic-embed-text", "input": texts})
    assert response.status_code == 200
    assert list(response.json()) == ["model", "embeddings"]
    assert response.json()["model"] == INFO.identity
    assert close(response.json()["embeddings"], [text_vector(text) for text in texts])


@pytest.mark.parametrize("truncate", [True, False])
def test_a_long_text_is_cut_whatever_is_said_of_it(serve, engine, truncate):
    body = {"model": "a", "input": "x" * 100, "truncate": truncate, "options": {}, "keep_alive": "5m"}
    with serve(max_text_characters=10) as client:
        assert client.post("/api/embed", json=body).status_code == 200
    assert engine.batches == [["x" * 10]]


def test_dimensions_are_given_as_a_unit_vector(client):
    (vector,) = client.post("/api/embed", json={"input": "a", "dimensions": 5}).json()["embeddings"]
    expected = text_vector("a")[:5]
    assert close(vector, expected / np.linalg.norm(expected))


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"model": "a"}, 400, "input: expected a string or a list of strings, got null"),
        ({"input": [5]}, 400, "input[0]: expected a string, got a number"),
        ({"input": "a", "dimensions": -1}, 400, "-1 dimensions are asked for; 1 to 8 can be had here"),
        ({"input": ["a", "poison"]}, 500, "input[1]: the model failed on this input"),
    ],
)
def test_what_cannot_be_used_is_named(client, body, status, sentence):
    assert refusal(client.post("/api/embed", json=body), status).startswith(sentence)
