"""multi2vec-voyageai."""

from __future__ import annotations

import numpy as np
import pytest

from ..conftest import INFO, image_vector, text_vector
from .asking import PICTURE, PICTURE_BASE64, close, refusal

PATHS = [
    "/multimodalembeddings",
    "http://testserver//multimodalembeddings",
    "/c/multi2vec-voyageai/multimodalembeddings",
]


def text(content):
    return {"type": "text", "text": content}


def image(content):
    return {"type": "image_base64", "image_base64": content}


def asking(*inputs, **fields):
    return {"inputs": [{"content": parts} for parts in inputs], "model": "voyage-multimodal-3", **fields}


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["query", "document"])
def test_one_vector_for_each_input_in_order(client, video, path, kind):
    inputs = [[text("ein Hund")], [image(f"data:image/png;base64,{PICTURE_BASE64}")], [video.part]]
    response = client.post(path, json=asking(*inputs, input_type=kind, truncation=True))
    assert response.status_code == 200
    answer = response.json()
    assert [one["index"] for one in answer["data"]] == [0, 1, 2]
    assert answer["model"] == INFO.identity
    assert answer["usage"]["total_tokens"] == 0
    expected = [text_vector("ein Hund"), image_vector(PICTURE), video.vector]
    assert close([one["embedding"] for one in answer["data"]], expected)


def test_several_parts_of_an_input_give_the_normalised_mean_of_their_vectors(client):
    answer = client.post(PATHS[0], json=asking([text("a"), image(PICTURE_BASE64), text("b")], [text("a")])).json()
    mean = np.mean([text_vector("a"), image_vector(PICTURE), text_vector("b")], axis=0)
    assert close([one["embedding"] for one in answer["data"]], [unit(mean), text_vector("a")])


def test_dimensions_are_left_out_of_the_mean_and_not_of_the_parts(client):
    answer = client.post(PATHS[0], json=asking([text("a"), text("b")], output_dimension=3)).json()
    mean = (text_vector("a") + text_vector("b")) / 2
    assert close(answer["data"][0]["embedding"], unit(mean[:3]))


def test_an_empty_text_which_weaviate_leaves_out_is_a_text(client):
    answer = client.post(PATHS[0], json=asking([{"type": "text"}])).json()
    assert close(answer["data"][0]["embedding"], text_vector(""))


@pytest.mark.parametrize("body", [{}, {"inputs": None}, {"inputs": []}])
def test_missing_null_and_empty_inputs_are_the_same(client, body):
    assert client.post(PATHS[0], json=body).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (
            asking([{"type": "image_url", "image_url": "http://a/b.png"}]),
            400,
            "inputs[0].content[0].type: text, image_",
        ),
        (asking([{"text": "a"}]), 400, "inputs[0].content[0].type: expected a string, got null"),
        (asking([text(5)]), 400, "inputs[0].content[0].text: expected a string, got a number"),
        (asking(["a"]), 400, "inputs[0].content[0]: expected an object with a type, got a string"),
        (asking([]), 400, "inputs[0].content: is empty; give it one part or more"),
        (asking("a"), 400, "inputs[0].content: expected a list of objects, got a string"),
        ({"inputs": "a"}, 400, "inputs: expected a list of objects, got a string"),
        ({"inputs": ["a"]}, 400, "inputs[0]: expected an object with content, got a string"),
        (asking([text("a")], output_dimension=1.5), 400, "output_dimension: expected a whole number like 128"),
        (asking([text("a")], output_dimension=9), 400, "9 dimensions are asked for; 1 to 8 can be had here"),
        (asking([text("a")], [image("AAAA")]), 422, "inputs[1].content[0]: this is not a picture"),
        (asking([image("http://a/b.png")]), 422, "inputs[0].content[0]: this is an address, and addresses are never"),
        (asking([{"type": "image_base64"}]), 422, "inputs[0].content[0]: this picture is empty"),
    ],
)
def test_what_cannot_be_used_is_named_where_weaviate_and_others_look(client, body, status, sentence):
    assert refusal(client.post(PATHS[0], json=body), status, "detail", "error").startswith(sentence)


def test_a_body_that_is_no_json_is_named(client):
    response = client.post(PATHS[0], content=b"{")
    assert refusal(response, 400, "detail", "error").startswith("the body is not JSON")


def test_parts_of_all_inputs_count_together(serve):
    with serve(max_items=2) as client:
        body = asking([text("a"), text("b")], [text("c")])
        assert "3 parts of inputs; at most 2" in refusal(client.post(PATHS[0], json=body), 413, "detail", "error")
