"""The contract of ``img2vec-neural``: one base64 image a request.

The module drops the text of errors: its users see the status alone. Source: Weaviate's
``modules/img2vec-neural/clients/vectorizer.go`` (v1.38.11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts import Contract
from cl2cm_plugin.vectorizer.contracts.reading import DIMENSIONS, dimensions, item, string
from cl2cm_plugin.vectorizer.contracts.writing import dumps
from cl2cm_plugin.vectorizer.items import Asked, Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings


class Img2VecContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "img2vec-neural"
    path = "/vectors"
    takes = "image"
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Given back as it is"},
            "image": {"type": "string", "description": "A picture file in base64"},
            "dimensions": DIMENSIONS,
        },
        "required": ["image"],
    }

    def matches(self, request: dict[str, Any]) -> bool:
        """Tell by the image."""
        return "image" in request

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: one image."""
        string(request.get("id", ""), "id")
        image = item(Modality.IMAGE, string(request.get("image"), "image"), "image", settings)
        return Asked([image], dimensions(request.get("dimensions"), "dimensions"))

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give the one vector with the request's id and the vector's length."""
        return dumps({"id": request.get("id", ""), "vector": vectors[0], "dim": len(vectors[0])})
