"""No JSON object makes a contract break: it is answered, one vector each, or refused in a sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl2cm_plugin.vectorizer.contracts.catalogue import CONTRACTS
from cl2cm_plugin.vectorizer.failures import RequestError
from cl2cm_plugin.vectorizer.settings import Settings

# What any contract looks at, so that the made-up requests go deep.
KEYS = [
    *("texts", "images", "video", "audio", "text", "image", "id", "config", "dimensions", "input", "inputs"),
    *("content", "type", "image_base64", "output_dimension", "embedding_type", "task", "encoding_format"),
]
VALUES = st.sampled_from(["a", "", "text", "image_base64", "float", "base64", 0, 1, 1.5, True, None])
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
VECTOR = np.array([0.6, 0.8], dtype=np.float32)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_every_request_is_answered_or_refused(contract, data):
    own_keys = st.sampled_from(list(contract.schema["properties"]))
    request = data.draw(st.dictionaries(own_keys, JSON, max_size=3))
    contract.matches(request)
    try:
        asked = contract.parse(request, Settings())
    except RequestError as refused:
        assert str(refused)
        json.loads(contract.failure(str(refused), refused.status))
        return
    assert asked.sizes is None or sum(asked.sizes) == len(asked.items)
    count = len(asked.items if asked.sizes is None else asked.sizes)
    answer = contract.answer(request, [VECTOR] * count, "model@0")
    json.loads(answer)
    assert answer.count(b"[0.6,0.8]") == count or request.get("encoding_format") == "base64"
