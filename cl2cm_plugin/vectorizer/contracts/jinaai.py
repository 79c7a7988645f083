"""The contract of ``multi2vec-jinaai``: texts and images, each a string or an object, one vector for each out.

Queries and passages (``task``) are encoded alike, and vectors are of unit length whatever ``normalized`` says. Source:
Weaviate's ``usecases/modulecomponents/clients/jinaai`` (v1.38.11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts import Contract
from cl2cm_plugin.vectorizer.contracts.reading import (
    DIMENSIONS,
    check_choice,
    check_count,
    dimensions,
    item,
    string,
    type_name,
)
from cl2cm_plugin.vectorizer.contracts.writing import detailed, dumps, embedding_list
from cl2cm_plugin.vectorizer.failures import InvalidRequestError
from cl2cm_plugin.vectorizer.items import Asked, Item, Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings

_MODALITIES = {"text": Modality.TEXT, "image": Modality.IMAGE}
# OpenAI's requests, on the same path, have none of these.
_OWN_KEYS = {"embedding_type", "normalized", "return_multivector", "task"}


class JinaContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "multi2vec-jinaai"
    path = "/v1/embeddings"
    takes = "input"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "input": {
                "type": ["string", "array"],
                "items": {
                    "anyOf": [
                        {"type": "string"},
                        {"type": "object", "properties": {"text": {"type": "string"}}},
                        {
                            "type": "object",
                            "properties": {"image": {"type": "string", "description": "A picture file in base64"}},
                        },
                    ]
                },
            },
            "embedding_type": {"type": ["string", "null"], "enum": ["float", None]},
            "task": {"type": ["string", "null"]},
            "normalized": {"type": ["boolean", "null"]},
            "dimensions": DIMENSIONS,
        },
        "required": ["input"],
    }

    def matches(self, request: dict[str, Any]) -> bool:
        """Tell by the keys that OpenAI's requests do not have, or by an object among the inputs."""
        inputs = request.get("input")
        return not _OWN_KEYS.isdisjoint(request) or (
            isinstance(inputs, list) and any(isinstance(one, dict) for one in inputs)
        )

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: the inputs in order."""
        check_choice(request, "embedding_type", ("float",))
        if request.get("return_multivector"):
            raise InvalidRequestError("return_multivector: this model gives one vector for each input; leave it out")
        inputs = request.get("input")
        if isinstance(inputs, str):
            inputs = [inputs]
        if not isinstance(inputs, list):
            raise InvalidRequestError(f"input: expected a list of objects or strings, got {type_name(inputs)}")
        check_count(len(inputs), "texts and images", settings)
        items = [_item(one, f"input[{index}]", settings) for index, one in enumerate(inputs)]
        return Asked(items, dimensions(request.get("dimensions"), "dimensions"))

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give one vector for each input, in order: the module reads those of objects by position."""
        return dumps(embedding_list(vectors, model))

    def failure(self, message: str, status: int) -> bytes:
        """Give the key that the module shows to its user, and the one that everyone else reads."""
        return detailed(message)


def _item(one: Any, where: str, settings: Settings) -> Item:
    if isinstance(one, str):
        return item(Modality.TEXT, one, where, settings)
    if not isinstance(one, dict):
        raise InvalidRequestError(f"{where}: expected a string, or an object with text or image, got {type_name(one)}")
    given = {key: one[key] for key in _MODALITIES if one.get(key) is not None}
    # Weaviate leaves an empty text out, so that an empty object remains of it.
    given = given or ({} if one else {"text": ""})
    if len(given) != 1:
        raise InvalidRequestError(f"{where}: must have either text or image; make an input of each")
    ((key, content),) = given.items()
    return item(_MODALITIES[key], string(content, f"{where}.{key}"), where, settings)
