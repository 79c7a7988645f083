"""All contracts over one core: the same vectors, told apart on shared paths, behind every prefix."""

from __future__ import annotations

import numpy as np
import pytest

from cl2cm_plugin.vectorizer.contracts.catalogue import CONTRACTS, SHARED

from ..conftest import INFO, image_vector, text_vector
from .asking import PICTURE, PICTURE_BASE64, close

TEXT, IMAGE = "ein Hund", PICTURE_BASE64
# How each contract is asked for the vector of a text or an image, and where the vector stands in the answer.
TEXTS = {
    "multi2vec-clip": ({"texts": [TEXT]}, lambda answer: answer["textVectors"][0]),
    "multi2vec-bind": ({"texts": [TEXT], "video": []}, lambda answer: answer["textVectors"][0]),
    "text2vec-transformers": ({"text": TEXT, "config": {"task_type": "query"}}, lambda answer: answer["vector"]),
    "text2vec-model2vec": ({"texts": [TEXT]}, lambda answer: answer["vectors"][0]),
    "multi2vec-jinaai": ({"input": [{"text": TEXT}]}, lambda answer: answer["data"][0]["embedding"]),
    "text2vec-openai": ({"input": TEXT}, lambda answer: answer["data"][0]["embedding"]),
    "multi2vec-voyageai": (
        {"inputs": [{"content": [{"type": "text", "text": TEXT}]}]},
        lambda answer: answer["data"][0]["embedding"],
    ),
    "text2vec-ollama": ({"model": "a", "input": [TEXT]}, lambda answer: answer["embeddings"][0]),
    "text2vec-huggingface": ({"inputs": [TEXT]}, lambda answer: answer[0]),
}
IMAGES = {
    "multi2vec-clip": ({"images": [IMAGE]}, lambda answer: answer["imageVectors"][0]),
    "multi2vec-bind": ({"images": [IMAGE], "audio": None}, lambda answer: answer["imageVectors"][0]),
    "img2vec-neural": ({"id": "a", "image": IMAGE}, lambda answer: answer["vector"]),
    "multi2vec-jinaai": ({"input": [{"image": IMAGE}]}, lambda answer: answer["data"][0]["embedding"]),
    "multi2vec-voyageai": (
        {"inputs": [{"content": [{"type": "image_base64", "image_base64": IMAGE}]}]},
        lambda answer: answer["data"][0]["embedding"],
    ),
}
PATHS = {contract.name: contract.path for contract in CONTRACTS}
ASKED = [
    pytest.param(name, body, read, expected, id=f"{name}-{kind}")
    for kind, requests, expected in (("text", TEXTS, text_vector(TEXT)), ("image", IMAGES, image_vector(PICTURE)))
    for name, (body, read) in requests.items()
]
PREFIXES = ["", f"/m/{INFO.name}", f"/m/{INFO.identity}", "/d/8", "/d/3", f"/m/{INFO.identity}/d/3"]


def test_every_contract_is_asked_here():
    assert set(TEXTS) | set(IMAGES) == set(PATHS)


@pytest.mark.parametrize(("name", "body", "read", "expected"), ASKED)
def test_the_same_content_has_the_same_vector_in_every_contract(client, name, body, read, expected):
    short = expected[:3] / np.linalg.norm(expected[:3])
    for prefix in PREFIXES:
        for path in (PATHS[name], f"/c/{name}{PATHS[name]}"):
            response = client.post(prefix + path, json=body)
            assert response.status_code == 200, response.text
            assert close(read(response.json()), short if prefix.endswith("/d/3") else expected), prefix + path


@pytest.mark.parametrize(("name", "body", "read", "expected"), ASKED)
def test_neither_content_type_nor_unknown_keys_matter(client, name, body, read, expected):
    content = client.build_request("POST", "/", json=body | {"unknown": {"a": [None]}}).content
    for headers in ({}, {"Content-Type": "text/plain"}):
        response = client.post(PATHS[name], content=content, headers=headers)
        assert close(read(response.json()), expected)


def test_all_contracts_share_what_was_computed(client, engine):
    for name, (body, _) in TEXTS.items():
        client.post(PATHS[name], json=body)
    assert engine.batches == [[TEXT]]


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/vectors", {"image": IMAGE}, "id"),
        ("/vectors", {"text": "a", "config": {}}, "text"),
        ("/vectorize", {}, "textVectors"),
        ("/v1/embeddings", {"input": "a"}, "object"),
    ],
)
def test_a_shared_path_answers_as_the_body_asks(client, path, body, key):
    assert key in client.post(path, json=body).json()


@pytest.mark.parametrize(
    ("path", "body", "keys"),
    [
        ("/v1/embeddings", {"input": 5, "embedding_type": "float"}, {"detail": str, "error": str}),
        ("/v1/embeddings", {"input": [{"text": 5}]}, {"detail": str, "error": str}),
        ("/v1/embeddings", {"input": 5}, {"detail": str, "error": dict}),
        ("/multimodalembeddings", {"inputs": 5}, {"detail": str, "error": str}),
        ("/vectors", {"text": 5}, {"error": str}),
        ("/vectorize", {"texts": 5}, {"error": str}),
    ],
)
def test_a_refusal_has_the_form_of_the_contract_that_was_asked(client, path, body, keys):
    for prefix in ("", "/m/cl2cm-de/d/3"):
        response = client.post(prefix + path, json=body)
        assert {key: type(value) for key, value in response.json().items()} == keys


@pytest.mark.parametrize(
    ("prefix", "status", "sentence"),
    [
        ("/m/other", 409, "this collection was made with model other, but this vectorizer serves"),
        ("/d/9", 400, "9 dimensions are asked for; 1 to 8 can be had here"),
        ("/d/0", 400, "0 dimensions are asked for; 1 to 8 can be had here"),
        ("/d/few", 400, "/d/few: write a number of dimensions there, 1 to 8"),
        ("/d/-1", 400, "/d/-1: write a number of dimensions there, 1 to 8"),
        ("/d/" + "9" * 5000, 400, "/d/999"),
    ],
)
def test_a_wrong_address_is_refused_where_the_module_looks_for_the_sentence(client, prefix, status, sentence):
    for name, path in PATHS.items():
        response = client.post(f"{prefix}/c/{name}{path}", json={})
        assert response.status_code == status
        keys = {"detail", "error"} if path in ("/v1/embeddings", "/multimodalembeddings") else {"error"}
        assert response.json().keys() == keys
        for value in response.json().values():
            assert (value["message"] if isinstance(value, dict) else value).startswith(sentence)


def test_a_request_cannot_ask_for_more_dimensions_than_its_address(client):
    assert len(client.post("/d/5/api/embed", json={"input": "a", "dimensions": 4}).json()["embeddings"][0]) == 4
    response = client.post("/d/5/api/embed", json={"input": "a", "dimensions": 6})
    assert response.json() == {"error": "6 dimensions are asked for; 1 to 5 can be had here"}


def test_all_contracts_are_listed_with_their_paths(client):
    assert client.get("/meta").json()["contracts"] == PATHS
    for method, path in (("POST", "/nothing"), ("GET", "/vectors"), ("POST", "/c/unknown/vectorize")):
        sentence = client.request(method, path).json()["error"]
        assert all(name in sentence for name in PATHS)
        assert "POST /vectors (img2vec-neural, text2vec-transformers, text2vec-model2vec), " in sentence


def test_every_route_describes_its_requests(client):
    paths = client.get("/openapi.json").json()["paths"]
    for endpoint in SHARED:
        for prefix in ("", "/m/{model}", "/d/{dimensions}", "/m/{model}/d/{dimensions}"):
            operation = paths[prefix + endpoint.path]["post"]
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            titles = [one["title"] for one in schema.get("anyOf", [schema])]
            assert titles == [contract.name for contract in endpoint.contracts]
    for name, path in PATHS.items():
        operation = paths[f"/c/{name}{path}"]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]["title"] == name


@pytest.mark.parametrize("prefix", ["/d/3", "/m/cl2cm-de/d/3", "/c/multi2vec-bind", "/d/3/c/multi2vec-bind"])
def test_health_and_meta_answer_behind_every_prefix(client, prefix):
    assert client.get(f"{prefix}/.well-known/ready").status_code == 204
    assert client.head(f"{prefix}/.well-known/live").status_code == 204
    assert client.get(f"{prefix}/meta").json()["dimensions"] == (3 if "/d/3" in prefix else 8)


def test_an_unknown_contract_is_not_ready(client):
    assert client.get("/c/multi2vec-clap/.well-known/ready").status_code == 404
    assert client.get("/d/9/meta").status_code == 400
