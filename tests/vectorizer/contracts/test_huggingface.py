"""text2vec-huggingface."""

from __future__ import annotations

import pytest

from ..conftest import text_vector
from .asking import close, refusal


@pytest.mark.parametrize("path", ["/huggingface", "/c/text2vec-huggingface/huggingface"])
@pytest.mark.parametrize("inputs", ["a", ["a"], ["b", "a"]])
def test_texts_give_a_list_of_vectors(client, path, inputs):
    response = client.post(path, json={"inputs": inputs, "options": {"wait_for_model": True, "use_cache": True}})
    assert response.status_code == 200
    assert close(response.json(), [text_vector(text) for text in inputs])


def test_dimensions_can_be_given(client):
    (vector,) = client.post("/huggingface", json={"inputs": "a", "dimensions": 5}).json()
    assert len(vector) == 5


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"input": "a"}, 400, "inputs: expected a string or a list of strings, got null"),
        ({"inputs": [["a"]]}, 400, "inputs[0]: expected a string, got a list"),
        ({"inputs": "a", "dimensions": 9}, 400, "9 dimensions are asked for; 1 to 8 can be had here"),
        ({"inputs": "poison"}, 500, "inputs: the model failed on this input"),
    ],
)
def test_what_cannot_be_used_is_named(client, body, status, sentence):
    assert refusal(client.post("/huggingface", json=body), status).startswith(sentence)
