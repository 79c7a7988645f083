"""The contract of ``text2vec-openai``, and of whatever else speaks OpenAI's embeddings API.

In a batch import Weaviate's server counts tokens with OpenAI's own tokenizer, which it downloads; where it cannot,
objects must be inserted one by one. Source: Weaviate's ``usecases/modulecomponents/clients/openai`` (v1.38.11) and
OpenAI's description of its API.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts import Contract
from cl2cm_plugin.vectorizer.contracts.reading import DIMENSIONS, check_choice, dimensions, text_items
from cl2cm_plugin.vectorizer.contracts.writing import dumps, embedding_list
from cl2cm_plugin.vectorizer.failures import InvalidRequestError
from cl2cm_plugin.vectorizer.items import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings

_FORMATS = ("float", "base64")
_SERVER_ERRORS = 500


class OpenAIContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "text2vec-openai"
    path = "/v1/embeddings"
    takes = "input"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "input": {"type": ["string", "array"], "items": {"type": "string"}},
            "encoding_format": {"type": ["string", "null"], "enum": [*_FORMATS, None]},
            "dimensions": DIMENSIONS,
        },
        "required": ["input"],
    }

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: one text, or several."""
        check_choice(request, "encoding_format", _FORMATS)
        inputs = request.get("input")
        if isinstance(inputs, list) and any(type(one) in (int, list) for one in inputs):
            raise InvalidRequestError(
                "input: numbers of tokens mean nothing to this model, which has its own; send the text itself"
            )
        return Asked(text_items(request, "input", settings), dimensions(request.get("dimensions"), "dimensions"))

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give one vector for each text, in order, as numbers or as base64 of little-endian float32."""
        if request.get("encoding_format") == "base64":
            encoded = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
            return dumps(embedding_list(encoded, model))
        return dumps(embedding_list(vectors, model))

    def failure(self, message: str, status: int) -> bytes:
        """Give the object that OpenAI's clients read, and the sentence for Jina AI's, who share the path."""
        kind = "server_error" if status >= _SERVER_ERRORS else "invalid_request_error"
        return dumps({"error": {"message": message, "type": kind, "param": None, "code": None}, "detail": message})
