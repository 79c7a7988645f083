"""The multi2vec-clip contract over HTTP, with a fake engine."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from PIL import Image

from .conftest import INFO, encoded, image_vector, text_vector, wait_until

SMALL = Image.new("RGB", (4, 4), "navy")


def post(client, path="/vectorize", **body):
    return client.post(path, json=body)


def error_of(response, status):
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    return response.json()["error"]


def close(vectors, expected):
    return np.allclose(np.array(vectors, dtype=np.float32), np.array(expected), atol=1e-6)


def test_one_vector_for_each_input_in_order(client):
    texts = [f"Satz {i} mit Länge {'x' * (i * 7 % 5)}" for i in range(10)]
    pictures = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in range(5)]
    answer = post(client, texts=texts, images=[encoded(p) for p in pictures]).json()
    assert close(answer["textVectors"], [text_vector(text) for text in texts])
    assert close(answer["imageVectors"], [image_vector(picture) for picture in pictures])


@pytest.mark.parametrize("body", [{}, {"texts": None, "images": None}, {"texts": [], "images": []}, {"other": 1}])
def test_missing_null_and_empty_lists_are_the_same(client, body):
    response = post(client, **body)
    assert response.status_code == 200
    assert response.json() == {"textVectors": [], "imageVectors": []}


@pytest.mark.parametrize("body", [{"texts": ["a"]}, {"texts": ["a"], "images": None, "unknown": [1]}])
def test_texts_only(client, body):
    answer = post(client, **body).json()
    assert close(answer["textVectors"], [text_vector("a")])
    assert answer["imageVectors"] == []


def test_images_only(client):
    answer = post(client, images=[encoded(SMALL)]).json()
    assert close(answer["imageVectors"], [image_vector(SMALL)])
    assert answer["textVectors"] == []


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-odd; a=b"}])
def test_the_content_type_does_not_matter(client, headers):
    response = client.post("/vectorize", content=json.dumps({"texts": ["a"]}).encode(), headers=headers)
    assert close(response.json()["textVectors"], [text_vector("a")])


@pytest.mark.parametrize(
    "text", ["", "   ", "日本語", "שלום", "🐕‍🦺", "é", "<b>&amp;", "/etc/passwd", "http://a/b.png"]
)
def test_any_text_is_a_text(client, engine, text):
    assert close(post(client, texts=[text]).json()["textVectors"], [text_vector(text)])
    assert engine.batches == [[text]]


def test_a_very_long_text_is_cut(serve, engine):
    with serve(max_text_characters=100) as client:
        assert post(client, texts=["x" * 100_000]).status_code == 200
    assert engine.batches == [["x" * 100]]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b'{"texts": ["\\ud800"]}', "the body is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "not null"),
        (b'{"texts": "a"}', "texts: expected a list of strings, got a string"),
        (b'{"texts": ["a", 7]}', "texts[1]: expected a string, got a number"),
        (b'{"images": [null]}', "images[0]: expected a string, got null"),
    ],
)
def test_a_body_of_another_shape_is_named(client, body, sentence):
    assert sentence in error_of(client.post("/vectorize", content=body), 400)


def test_a_bad_image_is_named_and_fails_its_own_request_alone(client):
    good = encoded(SMALL)
    message = error_of(post(client, texts=["a"], images=[good, "aGVsbG8gd29ybGQ="]), 422)
    assert message.startswith("images[1]: this is not a picture")
    assert close(post(client, images=[good]).json()["imageVectors"], [image_vector(SMALL)])


def test_a_text_on_which_the_model_breaks_fails_alone_and_leaks_nothing(client):
    message = error_of(post(client, texts=["a", "poison"]), 500)
    assert message.startswith("texts[1]: the model failed")
    assert "secret" not in message
    assert close(post(client, texts=["a"]).json()["textVectors"], [text_vector("a")])


def test_addresses_and_paths_are_never_opened(client, tmp_path):
    SMALL.save(tmp_path / "a.png")
    for content in (str(tmp_path / "a.png"), f"file://{tmp_path}/a.png", "http://127.0.0.1:9/a.png"):
        assert "never opened" in error_of(post(client, images=[content]), 422)


def test_limits_have_their_own_sentences(serve):
    with serve(max_items=3, max_image_bytes=2000, max_pixels=100, max_body_bytes=10_000) as client:
        assert "at most 3" in error_of(post(client, texts=["a"] * 4), 413)
        assert "images[0]" in error_of(post(client, images=["A" * 4000]), 413)
        assert "images[0]" in error_of(post(client, images=[encoded(Image.new("1", (20, 20)))]), 422)
        assert "the body is longer" in error_of(post(client, texts=["x" * 10_000]), 413)
        assert "the body is longer" in error_of(post(client, texts=["x" * 50_000]), 413)
        streamed = client.post("/vectorize", content=(b"x" * 1000 for _ in range(100)))
        assert "the body is longer" in error_of(streamed, 413)
        assert post(client, texts=["x" * 9000]).status_code == 200


def test_bodies_that_are_held_together_are_limited_and_given_back(serve, engine):
    with serve(max_body_bytes=10_000, max_held_bytes=10_000) as client:
        engine.gate.clear()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(post(client, texts=["x" * 8000])))
        thread.start()
        wait_until(lambda: client.app.state.models.usual._batcher._in_flight)
        assert "busy" in error_of(post(client, texts=["y" * 8000]), 503)
        engine.gate.set()
        thread.join()
        assert answers[0].status_code == 200
        assert post(client, texts=["y" * 8000]).status_code == 200


def test_a_full_queue_is_answered_busy_in_the_words_that_weaviate_knows(serve, engine):
    with serve(max_queue=1) as client:
        engine.gate.clear()
        threads = [threading.Thread(target=post, args=(client,), kwargs={"texts": [text]}) for text in "ab"]
        batcher = client.app.state.models.usual._batcher
        for count, thread in enumerate(threads):
            thread.start()
            wait_until(lambda count=count: (len(batcher._in_flight), waiting(batcher)) == (count + 1, count))
        assert error_of(post(client, texts=["c"]), 503) == "failed with status: 503 error: busy, retry"
        engine.gate.set()
        for thread in threads:
            thread.join()
        assert post(client, texts=["c"]).status_code == 200


def test_a_request_that_takes_too_long_is_answered(serve, engine):
    with serve(request_timeout=0.1) as client:
        engine.gate.clear()
        message = error_of(post(client, texts=["a"]), 503)
        assert message == "failed with status: 503 error: no answer within 0.1 s, retry"
        engine.gate.set()


def test_another_model_than_the_collections_is_refused(client):
    other = "cl2cm-de@aaaaaaaaaaaaaaaa"
    message = error_of(post(client, f"/m/{other}/vectorize", texts=["a"]), 409)
    assert message == (
        f"this collection was made with model {other}, but this vectorizer serves {INFO.identity}; "
        "start `cl2cm serve` with the right model, or import into a new collection"
    )


@pytest.mark.parametrize("model", [INFO.name, INFO.identity, INFO.identity.replace("@", "%40")])
def test_the_served_model_answers_under_its_own_name(client, model):
    assert close(post(client, f"/m/{model}/vectorize", texts=["a"]).json()["textVectors"], [text_vector("a")])
    assert client.get(f"/m/{model}/meta").json()["model"] == INFO.identity
    assert client.get(f"/m/{model}/.well-known/ready").status_code == 204


def test_a_slash_at_the_end_of_the_address_is_forgiven(client):
    assert post(client, "http://testserver//vectorize", texts=["a"]).status_code == 200
    assert client.get("http://testserver//.well-known/ready").status_code == 204


def waiting(batcher):
    return sum(len(queue.jobs) for queue in batcher._queues.values())
