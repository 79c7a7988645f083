"""OpenAI's embeddings API, for text2vec-openai and everyone else who speaks it."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from ..conftest import INFO, text_vector
from .asking import close

PATHS = ["/v1/embeddings", "/c/text2vec-openai/v1/embeddings"]


def asking(inputs, **fields):
    return {"input": inputs, "model": "text-embedding-3-small"} | fields


def sentence_of(response, status, kind):
    """The sentence of a refusal, in the form that OpenAI's clients read."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["type"], error["param"], error["code"]) == (kind, None, None)
    return error["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("inputs", ["ein Hund", ["ein Hund"], ["ein Hund", "", "日本語"]])
def test_texts_give_their_vectors_in_order(client, path, inputs):
    response = client.post(path, json=asking(inputs, encoding_format="float", user="me"))
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["object", "data", "model", "usage"]
    assert (answer["object"], answer["model"]) == ("list", INFO.identity)
    assert answer["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    texts = [inputs] if isinstance(inputs, str) else inputs
    assert [(one["object"], one["index"]) for one in answer["data"]] == [("embedding", i) for i in range(len(texts))]
    assert close([one["embedding"] for one in answer["data"]], [text_vector(text) for text in texts])


def test_base64_is_little_endian_float32_of_the_same_numbers(client):
    (one,) = client.post(PATHS[0], json=asking("a", encoding_format="base64")).json()["data"]
    numbers = np.frombuffer(base64.b64decode(one["embedding"]), dtype="<f4")
    assert numbers.tolist() == text_vector("a").tolist()


@pytest.mark.parametrize("form", ["float", "base64"])
def test_dimensions_are_given_in_either_form(client, form):
    (one,) = client.post(PATHS[0], json=asking("a", dimensions=2, encoding_format=form)).json()["data"]
    vector = one["embedding"]
    vector = vector if form == "float" else np.frombuffer(base64.b64decode(vector), dtype="<f4")
    expected = text_vector("a")[:2]
    assert close(vector, expected / np.linalg.norm(expected))


@pytest.mark.parametrize("inputs", [[1, 2, 3], [[1, 2], [3]]])
def test_tokens_of_another_model_are_refused(client, inputs):
    sentence = sentence_of(client.post(PATHS[0], json=asking(inputs)), 400, "invalid_request_error")
    assert sentence == "input: numbers of tokens mean nothing to this model, which has its own; send the text itself"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "input: expected a string or a list of strings, got null"),
        (asking(7), "input: expected a string or a list of strings, got a number"),
        (asking(["a", None]), "input[1]: expected a string, got null"),
        (asking("a", encoding_format="int8"), "encoding_format: only float and base64 can be had here"),
        (asking("a", dimensions="4"), "dimensions: expected a whole number like 128, got a string"),
        (asking("a", dimensions=1536), "1536 dimensions are asked for; 1 to 8 can be had here"),
    ],
)
def test_a_body_of_another_shape_is_named(client, body, sentence):
    assert sentence_of(client.post(PATHS[0], json=body), 400, "invalid_request_error").startswith(sentence)


def test_a_body_that_is_no_json_is_named_to_jina_clients_too(client):
    response = client.post(PATHS[0], content=b"[]")
    sentence = sentence_of(response, 400, "invalid_request_error")
    assert sentence == response.json()["detail"] == "the body must be a JSON object with input, not a list"


def test_faults_of_ours_are_the_servers(client):
    response = client.post(PATHS[0], json=asking(["a", "poison"]))
    assert sentence_of(response, 500, "server_error").startswith("input[1]: the model failed")


def test_too_many_texts_are_refused(serve):
    with serve(max_items=2) as client:
        response = client.post(PATHS[0], json=asking(["a"] * 3))
        assert "3 texts; at most 2" in sentence_of(response, 413, "invalid_request_error")
