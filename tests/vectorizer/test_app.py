"""Health, meta and the shape of every error."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.settings import Settings

from .conftest import INFO, FakeEngine


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_live_and_ready_answer_204_without_a_body(client, method):
    for path in ("/.well-known/live", "/.well-known/ready"):
        response = client.request(method, path)
        assert (response.status_code, response.content) == (204, b"")


def test_not_ready_until_both_towers_have_run_once(serve, engine):
    loaded = threading.Event()

    def load():
        assert loaded.wait(5)
        return engine

    with serve(load, ready=False) as client:
        assert client.get("/.well-known/live").status_code == 204
        assert client.get("/meta").status_code == 200
        for response in (client.get("/.well-known/ready"), client.post("/vectorize", json={"texts": ["a"]})):
            assert response.status_code == 503
            assert response.json()["error"].startswith(
                "failed with status: 503 error: the vectorizer is still loading"
            )
        loaded.set()
        while client.get("/.well-known/ready").status_code != 204:
            time.sleep(0.005)
        assert len(engine.batches) == 2
        assert client.post("/vectorize", json={"texts": ["a"]}).status_code == 200


def test_not_ready_while_draining_yet_answering(client):
    client.app.state.models.usual.drain()
    assert client.get("/.well-known/ready").status_code == 503
    assert client.post("/vectorize", json={"texts": ["a"]}).status_code == 200


def test_a_model_that_cannot_be_loaded_is_never_ready(serve):
    def load():
        raise OSError("no such weights")

    with serve(load, ready=False) as client:
        vectorizer = client.app.state.models.usual
        while vectorizer.failure is None:
            time.sleep(0.005)
        assert client.get("/.well-known/ready").status_code == 503
        assert str(vectorizer.failure) == "no such weights"


def test_an_engine_of_another_width_than_the_folder_says_is_refused(serve):
    class Wide(FakeEngine):
        def encode_images(self, images):
            return np.ones((len(images), 9), dtype=np.float32)

    with serve(Wide, ready=False) as client:
        while client.app.state.models.usual.failure is None:
            time.sleep(0.005)
        assert "image tower gives 9" in str(client.app.state.models.usual.failure)


def test_meta_says_what_is_served(client):
    meta = client.get("/meta").json()
    assert meta["model"] == INFO.identity
    assert (meta["dimensions"], meta["languages"], meta["max_tokens"]) == (8, ["en", "de"], 64)
    assert (meta["engine"], meta["normalised"]) == ("fake", True)
    assert client.head("/meta").status_code == 200


def test_meta_answers_at_once_while_the_engine_is_busy(serve, engine):
    with serve() as client:
        engine.gate.clear()
        thread = threading.Thread(target=client.post, args=("/vectorize",), kwargs={"json": {"texts": ["a"]}})
        thread.start()
        start = time.perf_counter()
        assert client.get("/meta").status_code == 200
        assert time.perf_counter() - start < 0.5
        engine.gate.set()
        thread.join()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/embed", 404),
        ("GET", "/vectorize/", 404),
        ("GET", "/vectorize", 405),
        ("POST", "/meta", 405),
        ("GET", "/m/cl2cm-de/nothing", 404),
        ("GET", "/m/other/meta", 409),
    ],
)
def test_every_error_has_one_shape(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    if status == 404:
        assert "POST /vectorize" in response.json()["error"]


def test_a_collection_of_the_model_that_this_one_extends_is_served(serve):
    extended = replace(INFO, name="cl2cm-de-cs", extends=[INFO.identity])
    with serve(info=extended) as client:
        assert client.get(f"/m/{INFO.identity}/meta").status_code == 200
        assert client.get("/m/cl2cm-de@ffffffffffffffff/meta").status_code == 409


def test_a_fault_of_our_own_says_nothing_of_its_inside(client, monkeypatch):
    async def fault(_items):
        raise KeyError("/secret/path")

    monkeypatch.setattr(client.app.state.models.usual, "vectors", fault)
    response = client.post("/vectorize", json={"texts": ["a"]})
    assert response.status_code == 500
    assert response.json() == {"error": "internal error; the vectorizer's log says why"}


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/vectorize", "/meta", "/m/{model}/vectorize"} <= set(paths)


def test_settings_come_from_the_environment_and_the_command_line_wins():
    environment = {"CL2CM_MAX_BATCH": "7", "CL2CM_PORT": "1", "CL2CM_REQUEST_TIMEOUT": "2.5", "CL2CM_HOST": "::1"}
    settings = Settings.from_environment(environment, port=8, host=None)
    assert (settings.max_batch, settings.port, settings.request_timeout, settings.host) == (7, 8, 2.5, "::1")


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"CL2CM_MAX_BATCH": "many"}, "CL2CM_MAX_BATCH is 'many'; it must be a number"),
        ({"CL2CM_MAX_BATCH": "0"}, "max_batch is 0; it must be above zero"),
        ({"CL2CM_PORT": "70000"}, "port 70000 does not exist"),
        ({"CL2CM_MAX_HELD_BYTES": "5"}, "max_held_bytes must be at least max_body_bytes"),
    ],
)
def test_settings_out_of_range_are_named(environment, sentence):
    with pytest.raises(UserError, match=sentence):
        Settings.from_environment(environment)
