"""A real server on a real port: many connections, hang-ups, taken ports, and the command as a process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.background import background
from cl2cm_plugin.vectorizer.settings import Settings
from cl2cm_plugin.vectorizer.web.server import _Server, bind, run, url_of

from .conftest import INFO, FakeEngine, text_vector


def ask(url: str, texts: list[str]) -> list:
    # A connection of its own for every request, as Weaviate's bursts open them.
    request = urllib.request.Request(f"{url}/vectorize", json.dumps({"texts": texts}).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["textVectors"]


@contextmanager
def running(engine, monkeypatch, **settings):
    """Run the real server in a thread."""
    servers = []
    monkeypatch.setattr(_Server, "startup", _recording(_Server.startup, servers))
    settings = Settings(**settings)
    bound = bind("127.0.0.1", 0)
    thread = threading.Thread(target=run, args=([(INFO, lambda: engine)], bound, settings))
    thread.start()
    url = url_of(bound)
    try:
        wait_until(lambda: status(url) == 204)
        engine.batches.clear()
        yield url, servers[0]._models.usual
    finally:
        servers[0].should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def _recording(startup, servers):
    async def recorded(self, sockets=None):
        servers.append(self)
        await startup(self, sockets)

    return recorded


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/.well-known/ready", timeout=2) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.01)


def test_requests_of_many_connections_share_batches_and_each_gets_its_own_vectors(monkeypatch):
    engine = FakeEngine(delay=0.03)
    requests = [[f"text {i}", f"und {i}"][: 1 + i % 2] for i in range(160)]
    with running(engine, monkeypatch) as (url, _), ThreadPoolExecutor(80) as pool:
        answers = list(pool.map(lambda texts: ask(url, texts), requests))
    for texts, vectors in zip(requests, answers, strict=True):
        assert np.allclose(vectors, [text_vector(text) for text in texts], atol=1e-6)
    assert sum(map(len, engine.batches)) == 240
    assert len(engine.batches) <= 40
    assert max(map(len, engine.batches)) <= 32


def test_work_for_a_client_that_hung_up_is_dropped(monkeypatch):
    engine = FakeEngine()
    with running(engine, monkeypatch) as (url, vectorizer):
        engine.gate.clear()
        host, port = url.removeprefix("http://").split(":")
        clients = []
        for text in ("first", "second"):
            body = json.dumps({"texts": [text]}).encode()
            connection = socket.create_connection((host, int(port)))
            connection.sendall(b"POST /vectorize HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            clients.append(connection)
            wait_until(lambda: len(vectorizer._batcher._in_flight) == len(clients))
        for connection in clients:
            connection.close()
        wait_until(lambda: not vectorizer._batcher._queues["text"].jobs)
        engine.gate.set()
        assert len(ask(url, ["third"])) == 1
        assert engine.batches == [["first"], ["third"]]


def test_a_stopping_server_answers_what_is_under_way(monkeypatch):
    engine = FakeEngine(delay=0.5)
    with ThreadPoolExecutor(1) as pool:
        with running(engine, monkeypatch) as (url, vectorizer):
            answer = pool.submit(ask, url, ["under way"])
            wait_until(lambda: vectorizer._batcher._in_flight)
        assert np.allclose(answer.result(), [text_vector("under way")], atol=1e-6)


def test_a_taken_port_is_named():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        sentence = (
            f"port {port} on 127.0.0.1 is already in use by another program; stop it or choose another with --port"
        )
        with pytest.raises(UserError, match=sentence):
            bind("127.0.0.1", port)


def test_an_address_of_another_machine_is_named():
    with pytest.raises(UserError, match=r"cannot listen on 192\.0\.2\.1"):
        bind("192.0.2.1", 0)


def test_a_model_that_cannot_be_loaded_ends_the_server():
    def load():
        raise OSError("no such weights")

    settings = Settings()
    with pytest.raises(UserError, match=r"could not be loaded \(OSError: no such weights"):
        run([(INFO, load)], bind("127.0.0.1", 0), settings)


def test_the_command_serves_a_model_folder_until_it_is_told_to_stop(tiny_model):
    with background(tiny_model) as vectorizer:
        assert len(ask(vectorizer.url, ["ein Hund"])[0]) == 16
        taken = vectorizer.url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "cl2cm_plugin.cli", "serve", str(tiny_model), "--port", taken],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert second.returncode == 1
        assert second.stderr.startswith(f"cl2cm: port {taken} on 127.0.0.1 is already in use")
    assert vectorizer.process.returncode is not None
    assert status(vectorizer.url) == 0


def test_a_process_that_ends_early_gives_its_last_words(tmp_path):
    with pytest.raises(UserError, match=r"ended with status 1:\ncl2cm: "), background(tmp_path / "none"):
        pass
