"""multi2vec-jinaai."""

from __future__ import annotations

import numpy as np
import pytest

from ..conftest import INFO, image_vector, text_vector
from .asking import PICTURE, PICTURE_BASE64, close, refusal

PATHS = ["/v1/embeddings", "/c/multi2vec-jinaai/v1/embeddings"]


def asking(*inputs, **fields):
    return {"input": list(inputs), "model": "jina-clip-v2", "embedding_type": "float"} | fields


def embeddings(answer):
    return [one["embedding"] for one in answer["data"]]


@pytest.mark.parametrize("path", PATHS)
def test_objects_give_one_vector_each_in_order(client, path):
    response = client.post(path, json=asking({"text": "a"}, {"image": PICTURE_BASE64}, {"text": "b"}))
    assert response.status_code == 200
    answer = response.json()
    assert [(one["index"], one["object"]) for one in answer["data"]] == [(i, "embedding") for i in range(3)]
    assert (answer["model"], answer["usage"]["total_tokens"]) == (INFO.identity, 0)
    assert close(embeddings(answer), [text_vector("a"), image_vector(PICTURE), text_vector("b")])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("normalized", [True, False])
def test_a_text_query_is_a_string(client, path, normalized):
    body = asking("ein Hund", task="retrieval.query", normalized=normalized)
    assert close(embeddings(client.post(path, json=body).json()), [text_vector("ein Hund")])


@pytest.mark.parametrize("inputs", ["ein Hund", ["ein Hund"], [{"text": "ein Hund", "image": None}]])
def test_one_text_in_any_form_is_the_same(client, inputs):
    body = {"input": inputs, "task": "text-matching"}
    assert close(embeddings(client.post(PATHS[0], json=body).json()), [text_vector("ein Hund")])


def test_an_empty_text_which_weaviate_leaves_out_is_a_text(client):
    assert close(embeddings(client.post(PATHS[0], json=asking({})).json()), [text_vector("")])


def test_dimensions_are_given_as_a_unit_vector(client):
    (vector,) = embeddings(client.post(PATHS[0], json=asking("a", dimensions=4)).json())
    expected = text_vector("a")[:4]
    assert close(vector, expected / np.linalg.norm(expected))


def test_an_empty_list_gives_no_vectors(client):
    assert client.post(PATHS[0], json=asking()).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (asking("a", embedding_type="binary"), 400, "embedding_type: only float can be had here; ask for that"),
        (asking("a", embedding_type=["base64"]), 400, "embedding_type: only float can be had here"),
        (asking("a", return_multivector=True), 400, "return_multivector: this model gives one vector for each input"),
        (asking("a", {"text": "b", "image": "c"}), 400, "input[1]: must have either text or image"),
        (asking({"url": "http://a/b.png"}), 400, "input[0]: must have either text or image"),
        (asking({"text": 5}), 400, "input[0].text: expected a string, got a number"),
        (asking(5), 400, "input[0]: expected a string, or an object with text or image, got a number"),
        ({"input": {}, "task": "a"}, 400, "input: expected a list of objects or strings, got an object"),
        ({"task": "a"}, 400, "input: expected a list of objects or strings, got null"),
        (asking("a", dimensions=9), 400, "9 dimensions are asked for; 1 to 8 can be had here"),
        (asking({"image": "http://a/b.png"}), 422, "input[0]: this is an address, and addresses are never opened"),
        (asking({"text": "a"}, {"image": "AAAA"}), 422, "input[1]: this is not a picture"),
    ],
)
def test_what_cannot_be_used_is_named_where_weaviate_and_others_look(client, body, status, sentence):
    assert refusal(client.post(PATHS[0], json=body), status, "detail", "error").startswith(sentence)


def test_too_many_inputs_are_refused(serve):
    with serve(max_items=1) as client:
        response = client.post(PATHS[0], json=asking({"text": "a"}, {"text": "b"}))
        assert "2 texts and images; at most 1" in refusal(response, 413, "detail", "error")
