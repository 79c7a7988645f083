"""multi2vec-bind."""

from __future__ import annotations

import pytest

from ..conftest import image_vector, text_vector
from .asking import PICTURE, PICTURE_BASE64, close, refusal

LISTS = ["text", "image", "video", "audio", "imu", "thermal", "depth"]
REFUSED = ["audio", "imu", "thermal", "depth"]


@pytest.mark.parametrize("path", ["/vectorize", "/c/multi2vec-bind/vectorize"])
def test_texts_images_and_videos_give_their_vectors_in_order(client, video, path):
    body = {"texts": ["b", "a"], "images": [PICTURE_BASE64], "video": [video.base64]}
    response = client.post(path, json=body)
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {f"{kind}Vectors" for kind in LISTS}
    assert close(answer["textVectors"], [text_vector("b"), text_vector("a")])
    assert close(answer["imageVectors"], [image_vector(PICTURE)])
    assert close(answer["videoVectors"], [video.vector])
    assert all(answer[f"{kind}Vectors"] == [] for kind in REFUSED)


@pytest.mark.parametrize("nothing", [[], None])
def test_empty_and_null_lists_of_any_kind_are_fine(client, nothing):
    body = {"texts": ["a"], "images": nothing, "video": nothing} | dict.fromkeys(REFUSED, nothing)
    answer = client.post("/vectorize", json=body).json()
    assert close(answer["textVectors"], [text_vector("a")])
    assert all(answer[f"{kind}Vectors"] == [] for kind in LISTS[1:])


@pytest.mark.parametrize("kind", REFUSED)
def test_media_that_the_model_does_not_know_are_refused(client, kind):
    sentence = refusal(client.post("/vectorize", json={"texts": ["a"], kind: ["AAAA"]}), 422)
    assert sentence == (
        f"{kind}[0]: this model has no vectors for {kind}, only for texts, images and video; leave it out"
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"video": "AAAA"}, "video: expected a list of strings, got a string"),
        ({"audio": {}}, "audio: expected a list of strings, got an object"),
        ({"video": [], "texts": [1]}, "texts[0]: expected a string, got a number"),
        ({"video": [], "dimensions": 99}, "99 dimensions are asked for; 1 to 8 can be had here"),
    ],
)
def test_a_body_of_another_shape_is_named(client, body, sentence):
    assert refusal(client.post("/vectorize", json=body), 400) == sentence


def test_all_kinds_count_together(serve):
    with serve(max_items=2) as client:
        body = {"texts": ["a"], "images": ["b"], "video": ["c"]}
        assert "3 texts and images and video; at most 2" in refusal(client.post("/vectorize", json=body), 413)


def test_a_bad_video_is_named(client):
    sentence = refusal(client.post("/vectorize", json={"video": ["aGVsbG8gd29ybGQ="]}), 422)
    assert sentence.startswith("video[0]: this is not a video in a known format")
