"""What is logged: refusals and faults, with the id of their request and without a body."""

from __future__ import annotations

import json
import logging

import pytest

from cl2cm_plugin.vectorizer.web import request_log


@pytest.fixture
def lines(capsys):
    """Set the log up in a form; gives what it has written since."""
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def read(form: str | None = None) -> list[str]:
        if form:
            request_log.set_up(form)
        return capsys.readouterr().err.splitlines()

    yield read
    root.handlers[:], level = before
    root.setLevel(level)


def test_a_refusal_is_one_json_object_with_the_ids_of_request_and_trace(lines, client):
    lines("json")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-ID": "weaviate-7", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = client.post("/vectorize", json={"texts": ["ein geheimer Satz", 3]}, headers=headers)

    (line,) = lines()
    logged = json.loads(line)
    assert answer.headers["X-Request-ID"] == "weaviate-7"
    expected = {"request_id": "weaviate-7", "trace_id": trace, "status": 400, "contract": "multi2vec-clip"}
    assert expected.items() <= logged.items()
    assert logged["path"] == "/vectorize"
    assert "texts[1]: expected a string" in logged["message"]
    assert "geheim" not in line


def test_a_request_without_an_id_gets_one(lines, client):
    lines("text")
    answer = client.post("/vectorize", content=b"{")

    (line,) = lines()
    assert line.endswith(f"(request {answer.headers['X-Request-ID']})")
    assert line.startswith("INFO cl2cm_plugin.vectorizer.web.request_log: POST /vectorize: 400")


@pytest.mark.parametrize("odd", ["a b", "x" * 129, "", "a\tb"])
def test_an_odd_id_is_replaced(odd, client):
    answer = client.post("/vectorize", json={}, headers={"X-Request-ID": odd})

    assert answer.headers["X-Request-ID"] != odd


def test_what_is_served_is_not_logged(lines, client):
    lines("text")
    client.post("/vectorize", json={"texts": ["ein Hund"]})
    client.get("/meta")

    assert lines() == []


def test_a_path_cannot_forge_a_line(lines, client):
    lines("text")
    client.get("/x%0AINFO%20forged: 200")

    (line,) = lines()
    assert r"\nINFO forged" in line


def test_a_fault_is_logged_with_its_traceback_and_told_without(lines, client, monkeypatch):
    async def fault(_items):
        raise KeyError("/secret")

    monkeypatch.setattr(client.app.state.models.usual, "vectors", fault)
    lines("json")
    answer = client.post("/vectorize", json={"texts": ["x"]})

    assert answer.status_code == 500
    assert "secret" not in answer.text
    (line,) = lines()
    assert "Traceback" in json.loads(line)["exc_info"]
    assert json.loads(line)["level"] == "ERROR"
