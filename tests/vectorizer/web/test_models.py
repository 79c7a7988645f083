"""Several models behind one service."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.settings import Settings
from cl2cm_plugin.vectorizer.web.app import create_app

from ..conftest import INFO, FakeEngine, text_vector, wait_until

OTHER = replace(INFO, name="cl2cm-multi", fingerprint="f" * 16, languages=["en", "fr"])


class OppositeEngine(FakeEngine):
    name = "opposite"

    def encode_texts(self, texts):
        return -super().encode_texts(texts)


@pytest.fixture
def two():
    with TestClient(create_app([(INFO, FakeEngine), (OTHER, OppositeEngine)], Settings())) as client:
        wait_until(lambda: client.get("/m/cl2cm-multi/.well-known/ready").status_code == 204)
        yield client


def vector(client, prefix: str, text: str = "hund") -> np.ndarray:
    answer = client.post(f"{prefix}/vectorize", json={"texts": [text]})
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["textVectors"][0], dtype=np.float32)


@pytest.mark.parametrize(
    ("prefix", "sign"),
    [("", 1), ("/m/cl2cm-de", 1), (f"/m/{INFO.identity}", 1), ("/m/cl2cm-multi", -1), (f"/m/{OTHER.identity}", -1)],
)
def test_the_address_names_the_model_and_the_first_is_usual(prefix, sign, two):
    np.testing.assert_allclose(vector(two, prefix), sign * text_vector("hund"), rtol=1e-6)


def test_each_says_what_it_is(two):
    assert two.get("/meta").json()["model"] == INFO.identity
    assert two.get("/m/cl2cm-multi/meta").json()["model"] == OTHER.identity
    assert two.get("/m/cl2cm-multi/meta").json()["engine"] == "opposite"
    cut = vector(two, "/m/cl2cm-multi/d/3")
    np.testing.assert_allclose(np.linalg.norm(cut), 1, rtol=1e-6)
    assert len(cut) == 3


def test_an_unknown_model_is_refused_with_those_that_are_served(two):
    answer = two.post("/m/cl2cm-fr/vectorize", json={"texts": ["x"]})

    assert answer.status_code == 409
    assert f"serves {INFO.identity} and {OTHER.identity}" in answer.json()["error"]


def test_a_model_answers_for_those_that_it_extends():
    extended = replace(OTHER, extends=[INFO.identity])
    with TestClient(create_app([(extended, OppositeEngine)], Settings())) as client:
        wait_until(lambda: client.get("/.well-known/ready").status_code == 204)
        np.testing.assert_allclose(vector(client, f"/m/{INFO.identity}"), -text_vector("hund"), rtol=1e-6)
    # But not where that model itself is served.
    with TestClient(create_app([(extended, OppositeEngine), (INFO, FakeEngine)], Settings())) as client:
        wait_until(lambda: client.get(f"/m/{INFO.identity}/.well-known/ready").status_code == 204)
        np.testing.assert_allclose(vector(client, f"/m/{INFO.identity}"), text_vector("hund"), rtol=1e-6)


def test_two_models_of_one_name_are_refused():
    with pytest.raises(UserError, match="two of the models are called cl2cm-de"):
        create_app([(INFO, FakeEngine), (replace(INFO, fingerprint="f" * 16), FakeEngine)], Settings())
