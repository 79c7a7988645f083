"""The contract of ``text2vec-ollama``: texts, of which long ones are cut whatever ``truncate`` says.

Source: Weaviate's ``modules/text2vec-ollama/clients/ollama.go`` (v1.38.11) and Ollama's description of its API.
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


class OllamaContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "text2vec-ollama"
    path = "/api/embed"
    takes = "input"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "input": {"type": ["string", "array"], "items": {"type": "string"}},
            "dimensions": DIMENSIONS,
        },
        "required": ["input"],
    }

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: one text, or several."""
        return Asked(text_items(request, "input", settings), dimensions(request.get("dimensions"), "dimensions"))

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give one vector for each text, in order."""
        return dumps({"model": model, "embeddings": vectors})
