"""img2vec-neural."""

from __future__ import annotations

import pytest

from ..conftest import image_vector
from .asking import PICTURE, PICTURE_BASE64, close, refusal


@pytest.mark.parametrize("path", ["/vectors", "/c/img2vec-neural/vectors"])
@pytest.mark.parametrize("content", [PICTURE_BASE64, f"data:image/png;base64,{PICTURE_BASE64}"])
def test_one_image_gives_its_vector_its_length_and_the_id_again(client, path, content):
    response = client.post(path, json={"id": "11111111-1111-1111-1111-111111111111_0", "image": content})
    assert response.status_code == 200
    assert list(response.json()) == ["id", "vector", "dim"]
    assert (response.json()["id"], response.json()["dim"]) == ("11111111-1111-1111-1111-111111111111_0", 8)
    assert close(response.json()["vector"], image_vector(PICTURE))


def test_the_id_may_be_missing_and_dimensions_be_given(client):
    answer = client.post("/vectors", json={"image": PICTURE_BASE64, "dimensions": 2}).json()
    assert (answer["id"], answer["dim"], len(answer["vector"])) == ("", 2, 2)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"id": "a", "image": None}, 400, "image: expected a string, got null"),
        ({"id": "a", "image": ["b"]}, 400, "image: expected a string, got a list"),
        ({"id": 5, "image": "b"}, 400, "id: expected a string, got a number"),
        ({"id": "a", "image": ""}, 422, "image: this picture is empty"),
        ({"id": "a", "image": "aGVsbG8gd29ybGQ="}, 422, "image: this is not a picture"),
        ({"id": "a", "image": "/etc/passwd"}, 422, "image: this is a file path, and files are never opened"),
    ],
)
def test_what_is_no_image_is_named(client, body, status, sentence):
    assert refusal(client.post("/vectors", json=body), status).startswith(sentence)


def test_a_forced_request_without_an_image_is_not_taken_for_a_text(client):
    response = client.post("/c/img2vec-neural/vectors", json={"text": "a"})
    assert refusal(response, 400) == "image: expected a string, got null"


def test_too_long_a_file_is_refused(serve):
    with serve(max_image_bytes=100) as client:
        assert "scale it down" in refusal(client.post("/vectors", json={"image": "A" * 400}), 413)
