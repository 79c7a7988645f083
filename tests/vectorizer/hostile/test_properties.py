"""Whatever bytes or JSON hypothesis thinks of, the service answers or refuses, and finds a smaller culprit if not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .checking import problems
from .corpus import Case
from .forms import FORMS, KEYS
from .service import Service

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True, database=None)
TEXTS = st.text(max_size=40) | st.sampled_from(["text", "image_base64", "video_base64", "float", "base64", "AAAA"])
NUMBERS = st.integers() | st.floats() | st.integers(-1, 10)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner),
    max_leaves=20,
)
SEGMENTS = st.binary(max_size=12) | st.sampled_from([b"m", b"d", b"c", b"8", b"vectorize", b"multi2vec-clip", b"meta"])


@pytest.fixture(scope="module")
def service():
    with Service() as service:
        yield service


@pytest.fixture(scope="module")
def numbers():
    """Where the good requests of each example begin."""
    return iter(range(0, 10**9, 2))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.contract}-{form.kind}")
@given(
    contents=st.lists(JSON, min_size=1, max_size=4), others=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=2)
)
@SETTINGS
def test_any_content_and_any_other_key_is_answered_or_refused(service, numbers, form, contents, others):
    body = json.dumps(form.fill(contents) | others).encode(errors="surrogatepass")
    case = Case("any JSON", f"/c/{form.contract}{form.path}".encode(), body, form=form)
    assert problems(service, [case], next(numbers))[1] == []


@pytest.mark.parametrize("path", sorted({form.path for form in FORMS}))
@given(body=st.binary(max_size=200))
@SETTINGS
def test_any_bytes_are_refused(service, numbers, path, body):
    assert problems(service, [Case("any bytes", path.encode(), body)], next(numbers))[1] == []


@given(segments=st.lists(SEGMENTS, max_size=7), query=st.binary(max_size=20))
@settings(SETTINGS, max_examples=300)
def test_any_path_is_answered_or_not_found(service, numbers, segments, query):
    target = b"".join(b"/" + _quoted(segment) for segment in segments or [b""]) + b"?" + _quoted(query)
    case = Case("any path", target, b'{"texts": []}', statuses=frozenset({200, 400, 404, 405, 409}))
    assert problems(service, [case], next(numbers))[1] == []


def _quoted(raw: bytes) -> bytes:
    return b"".join(b"%%%02x" % byte for byte in raw)
