"""text2vec-transformers, and text2vec-model2vec, which asks alike."""

from __future__ import annotations

import numpy as np
import pytest

from ..conftest import INFO, text_vector
from .asking import close, refusal

PATHS = ["/vectors", "/c/text2vec-transformers/vectors", "/c/text2vec-model2vec/vectors"]


def as_weaviate_asks(text, task="passage", **config):
    """The body that Weaviate's client sends, with the empty fields of its answer in it."""
    config = {"pooling_strategy": "masked_mean", "task_type": task} | config
    return {"text": text, "dims": 0, "vector": None, "error": "", "config": config}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("task", ["passage", "query"])
def test_one_text_gives_its_vector_its_length_and_the_text_again(client, path, task):
    response = client.post(path, json=as_weaviate_asks("ein Hund", task))
    assert response.status_code == 200
    assert list(response.json()) == ["text", "vector", "dim"]
    assert (response.json()["text"], response.json()["dim"]) == ("ein Hund", 8)
    assert close(response.json()["vector"], text_vector("ein Hund"))


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "", "日本語"]])
def test_several_texts_give_their_vectors_in_order(client, texts):
    answer = client.post("/vectors", json={"texts": texts, "config": None}).json()
    assert list(answer) == ["vectors"]
    assert close(answer["vectors"], [text_vector(text) for text in texts])


def test_the_first_dimensions_alone_are_a_unit_vector(client):
    answer = client.post("/vectors", json=as_weaviate_asks("a", dimensions=3)).json()
    expected = text_vector("a")[:3]
    assert answer["dim"] == 3
    assert close(answer["vector"], expected / np.linalg.norm(expected))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "text: expected a string, got null"),
        ({"text": 7}, "text: expected a string, got a number"),
        ({"texts": "a"}, "texts: expected a list of strings, got a string"),
        ({"texts": ["a", {}]}, "texts[1]: expected a string, got an object"),
        ({"text": "a", "config": []}, "config: expected an object, got a list"),
        (as_weaviate_asks("a", dimensions="3"), "config.dimensions: expected a whole number like 128, got a string"),
        (as_weaviate_asks("a", dimensions=True), "config.dimensions: expected a whole number like 128, got a boolean"),
        (as_weaviate_asks("a", dimensions=9), "9 dimensions are asked for; 1 to 8 can be had here"),
        (as_weaviate_asks("a", dimensions=0), "0 dimensions are asked for; 1 to 8 can be had here"),
    ],
)
def test_a_body_of_another_shape_is_named(client, body, sentence):
    assert refusal(client.post("/vectors", json=body), 400) == sentence


@pytest.mark.parametrize("body", [b"[]", b'"a"'])
def test_a_body_that_is_no_object_is_named(client, body):
    sentence = refusal(client.post("/vectors", content=body), 400)
    assert sentence.startswith("the body must be a JSON object with text or texts, not a")


def test_too_many_texts_are_refused(serve):
    with serve(max_items=2) as client:
        assert "3 texts; at most 2" in refusal(client.post("/vectors", json={"texts": ["a"] * 3}), 413)


def test_a_text_on_which_the_model_breaks_is_named(client):
    assert refusal(client.post("/vectors", json={"text": "poison"}), 500).startswith("text: the model failed")


def test_weaviate_asks_the_forced_address_for_readiness_and_meta(client):
    assert client.get("/c/text2vec-transformers/.well-known/ready").status_code == 204
    assert client.get("/c/text2vec-transformers/meta").json()["model"] == INFO.identity
