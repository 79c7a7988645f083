"""What is logged of hostile requests holds nothing of their bodies, and nothing that passes for another line."""

from __future__ import annotations

import base64
import json
import logging

import pytest

from .corpus import Case
from .forms import FORMS
from .service import Service

SECRET = "Geheimnis"
CONTENTS = (
    SECRET,
    f"poison {SECRET}",
    base64.b64encode(SECRET.encode()).decode(),
    "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + SECRET.encode()).decode(),
    f"/{SECRET}/a.png",
    f"http://{SECRET}/a.png",
)
ENCODED = base64.b64encode(SECRET.encode()).decode().rstrip("=")


def hostile_bodies(form):
    for content in CONTENTS:
        good = form.fill([content])
        yield json.dumps(good)
        yield json.dumps(good)[:-1]
        yield json.dumps(good) + SECRET
        yield json.dumps(form.fill([[content]]))
        yield json.dumps(form.fill([{content: content}]))
        yield json.dumps(form.fill([content] * 300))
        yield json.dumps(
            good | {"dimensions": content, "output_dimension": content, "config": {"dimensions": content}}
        )
        yield json.dumps(good | {"encoding_format": content, "embedding_type": content, SECRET: SECRET})
    yield SECRET
    yield json.dumps([SECRET])
    yield json.dumps(SECRET)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.contract}-{form.kind}")
def test_no_body_is_logged(caplog, form):
    caplog.set_level(logging.DEBUG, "cl2cm_plugin")
    with Service() as service:
        statuses = {
            service.ask(Case("secret", form.path.encode(), body.encode())).status for body in hostile_bodies(form)
        }
    assert len(statuses) > 1
    assert caplog.records
    assert SECRET not in caplog.text
    assert ENCODED not in caplog.text


@pytest.mark.parametrize("target", [b"/a%0aERROR%20forged", b"/m/a%0d%0aERROR%20forged/vectorize", b"/%1b[2Jforged"])
def test_a_path_cannot_forge_a_line_of_the_log(caplog, target):
    caplog.set_level(logging.DEBUG, "cl2cm_plugin")
    with Service() as service:
        service.ask(Case("forged", target, b"{}"))
    messages = [record.getMessage() for record in caplog.records]
    assert all(message.isprintable() for message in messages)
    assert sum("forged" in message for message in messages) <= 1
