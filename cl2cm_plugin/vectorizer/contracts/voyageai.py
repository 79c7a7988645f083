"""The contract of ``multi2vec-voyageai``: texts, images and videos, each input of one part or more.

An input of several parts, a picture with its caption for example, becomes the normalised mean of its parts' vectors.
Queries and documents are encoded alike. Source: Weaviate's ``usecases/modulecomponents/clients/voyageai`` (v1.38.11),
which sends one part in each input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts import Contract
from cl2cm_plugin.vectorizer.contracts.reading import DIMENSIONS, check_count, dimensions, item, string, type_name
from cl2cm_plugin.vectorizer.contracts.writing import detailed, dumps, embedding_list
from cl2cm_plugin.vectorizer.failures import InvalidRequestError, shortened
from cl2cm_plugin.vectorizer.items import Asked, Item, Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings

_MODALITIES = {"text": Modality.TEXT, "image_base64": Modality.IMAGE, "video_base64": Modality.VIDEO}


class VoyageContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "multi2vec-voyageai"
    path = "/multimodalembeddings"
    takes = "inputs"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "inputs": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "properties": {
                        "content": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "properties": {
                                    "type": {"enum": list(_MODALITIES)},
                                    **{kind: {"type": "string"} for kind in _MODALITIES},
                                },
                                "required": ["type"],
                            },
                        }
                    },
                    "required": ["content"],
                },
            },
            "input_type": {"type": ["string", "null"], "enum": ["query", "document", None]},
            "output_dimension": DIMENSIONS,
        },
    }

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: the parts of all inputs, one after the other."""
        inputs = _list(request, "inputs", "inputs")
        # Before each is looked at: there may be millions.
        check_count(len(inputs), "inputs", settings)
        contents = [_content(one, f"inputs[{index}]") for index, one in enumerate(inputs)]
        check_count(sum(map(len, contents)), "parts of inputs", settings)
        items = [
            _item(part, f"inputs[{index}].content[{place}]", settings)
            for index, content in enumerate(contents)
            for place, part in enumerate(content)
        ]
        wanted = dimensions(request.get("output_dimension"), "output_dimension")
        return Asked(items, wanted, [len(content) for content in contents])

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give one vector for each input, in order: the module reads them by position."""
        return dumps(embedding_list(vectors, model))

    def failure(self, message: str, status: int) -> bytes:
        """Give the key that the module shows to its user, and the one that everyone else reads."""
        return detailed(message)


def _list(request: dict[str, Any], key: str, where: str) -> list[Any]:
    value = request.get(key)
    if value is not None and not isinstance(value, list):
        raise InvalidRequestError(f"{where}: expected a list of objects, got {type_name(value)}")
    return value or []


def _content(one: Any, where: str) -> list[Any]:
    if not isinstance(one, dict):
        raise InvalidRequestError(f"{where}: expected an object with content, got {type_name(one)}")
    content = _list(one, "content", f"{where}.content")
    if not content:
        raise InvalidRequestError(f"{where}.content: is empty; give it one part or more")
    return content


def _item(part: Any, where: str, settings: Settings) -> Item:
    if not isinstance(part, dict):
        raise InvalidRequestError(f"{where}: expected an object with a type, got {type_name(part)}")
    kind = string(part.get("type"), f"{where}.type")
    if kind not in _MODALITIES:
        raise InvalidRequestError(
            f"{where}.type: {', '.join(_MODALITIES)} are served, not {shortened(kind)}; addresses are never opened"
        )
    # Weaviate leaves an empty text out.
    return item(_MODALITIES[kind], string(part.get(kind, ""), f"{where}.{kind}"), where, settings)
