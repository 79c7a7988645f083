"""The contract of ``text2vec-huggingface``: the collection's ``endpointURL`` is this vectorizer's ``/huggingface``.

The module posts to that address as it is, hence a path of our own. Source: Weaviate's
``modules/text2vec-huggingface/clients/huggingface.go`` (v1.38.11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts import Contract
from cl2cm_plugin.vectorizer.contracts.reading import DIMENSIONS, dimensions, text_items
from cl2cm_plugin.vectorizer.contracts.writing import dumps
from cl2cm_plugin.vectorizer.items import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings


class HuggingFaceContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "text2vec-huggingface"
    path = "/huggingface"
    takes = "inputs"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "inputs": {"type": ["string", "array"], "items": {"type": "string"}},
            "dimensions": DIMENSIONS,
        },
        "required": ["inputs"],
    }

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: one text, or several."""
        return Asked(text_items(request, "inputs", settings), dimensions(request.get("dimensions"), "dimensions"))

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give one vector for each text, in order."""
        return dumps(vectors)
