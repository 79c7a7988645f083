"""``GET /metrics``: what Prometheus reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ..conftest import encoded, wait_until


def value(client, name: str, **labels) -> float:
    """Read a sample's value; 0 if it is not there."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


@pytest.fixture
def read(client):
    return partial(value, client)


def test_requests_are_counted_by_contract_and_status(client, read):
    client.post("/vectorize", json={"texts": ["a", "b"]})
    client.post("/vectorize", json={"texts": 3})
    client.post("/vectors", json={"text": "c"})
    client.get("/nowhere")

    assert read("cl2cm_requests_total", contract="multi2vec-clip", status="200") == 1
    assert read("cl2cm_requests_total", contract="multi2vec-clip", status="400") == 1
    assert read("cl2cm_requests_total", contract="text2vec-transformers", status="200") == 1
    assert read("cl2cm_requests_total", contract="none", status="404") == 1
    assert read("cl2cm_request_seconds_count", contract="multi2vec-clip") == 2


def test_refusals_are_counted_by_reason(client, read):
    client.post("/vectorize", content=b"{")
    client.post("/vectorize", json={"images": ["aGVsbG8gd29ybGQ="]})
    client.post("/vectorize", json={"texts": ["poison"]})
    client.post("/m/other/vectorize", json={})

    for reason in ("invalid", "unusable_item", "model_failed", "wrong_model"):
        assert read("cl2cm_rejections_total", reason=reason) == 1, reason


def test_batches_are_measured_by_model_and_modality(client, read, picture):
    client.post("/vectorize", json={"texts": ["a", "b"], "images": [picture]})
    client.post("/vectorize", json={"texts": ["a"]})

    # The last one was remembered.
    assert read("cl2cm_items_total", model="cl2cm-de", modality="text") == 2
    assert read("cl2cm_items_total", model="cl2cm-de", modality="image") == 1
    assert read("cl2cm_batch_items_count", modality="image") == 1
    assert read("cl2cm_queue_seconds_count", modality="text") == 2
    assert read("cl2cm_engine_seconds_count", modality="image") == 1


def test_the_state_can_be_watched(client, read):
    assert read("cl2cm_ready") == 1
    assert read("process_resident_memory_bytes") > 0

    client.app.state.models.drain()
    assert read("cl2cm_ready") == 0


def test_what_waits_for_the_engine_can_be_watched(serve, engine):
    with serve(max_batch=1) as client, ThreadPoolExecutor(1) as pool:
        engine.gate.clear()
        answer = pool.submit(client.post, "/vectorize", json={"texts": ["with the engine", "waits", "waits too"]})
        wait_until(lambda: value(client, "cl2cm_waiting_items") == 2)
        engine.gate.set()
        assert answer.result().status_code == 200
        assert value(client, "cl2cm_waiting_items") == 0


@pytest.fixture
def picture():
    from PIL import Image

    return encoded(Image.new("RGB", (8, 8)))
