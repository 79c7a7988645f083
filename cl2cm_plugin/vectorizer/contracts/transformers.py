"""The contract of ``text2vec-transformers``: one text a request, or several.

Passages and queries are encoded alike. Source: Weaviate's ``usecases/modulecomponents/clients/transformers``
(v1.38.11), which sends ``text`` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts import Contract
from cl2cm_plugin.vectorizer.contracts.reading import (
    DIMENSIONS,
    check_count,
    dimensions,
    item,
    string,
    strings,
    type_name,
)
from cl2cm_plugin.vectorizer.contracts.writing import dumps
from cl2cm_plugin.vectorizer.failures import InvalidRequestError
from cl2cm_plugin.vectorizer.items import Asked, Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings


class TransformersContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "text2vec-transformers"
    path = "/vectors"
    takes = "text or texts"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "texts": {"type": "array", "items": {"type": "string"}},
            "config": {
                "type": ["object", "null"],
                "properties": {
                    "task_type": {"type": "string", "enum": ["passage", "query"]},
                    "dimensions": DIMENSIONS,
                },
            },
        },
        "anyOf": [{"required": ["text"]}, {"required": ["texts"]}],
    }

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: all texts if there is a list of them, else the one text."""
        if _several(request):
            texts = strings(request["texts"], "texts")
            check_count(len(texts), "texts", settings)
            items = [item(Modality.TEXT, text, f"texts[{index}]", settings) for index, text in enumerate(texts)]
        else:
            items = [item(Modality.TEXT, string(request.get("text"), "text"), "text", settings)]
        return Asked(items, _dimensions(request.get("config")))

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give the vectors of a list, or the one vector with its text and its length."""
        if _several(request):
            return dumps({"vectors": vectors})
        return dumps({"text": request["text"], "vector": vectors[0], "dim": len(vectors[0])})


def _several(request: dict[str, Any]) -> bool:
    return request.get("texts") is not None


def _dimensions(config: Any) -> int | None:
    if config is None:
        return None
    if not isinstance(config, dict):
        raise InvalidRequestError(f"config: expected an object, got {type_name(config)}")
    return dimensions(config.get("dimensions"), "config.dimensions")
