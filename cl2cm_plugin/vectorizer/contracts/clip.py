"""The contract of ``multi2vec-clip``: texts and base64 images in, one vector for each out.

Source: Weaviate's ``modules/multi2vec-clip/clients/vectorizer.go`` (v1.38.11) and the official inference container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts import Contract
from cl2cm_plugin.vectorizer.contracts.reading import DIMENSIONS, check_count, dimensions, item, strings
from cl2cm_plugin.vectorizer.contracts.writing import dumps
from cl2cm_plugin.vectorizer.items import Asked, Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings


class ClipContract(Contract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`.

    Attributes:
        kinds: Request key, modality, answer key. The module reads the lists of the answer by position.
    """

    name = "multi2vec-clip"
    path = "/vectorize"
    takes = "texts or images"
    kinds: ClassVar[tuple[tuple[str, Modality, str], ...]] = (
        ("texts", Modality.TEXT, "textVectors"),
        ("images", Modality.IMAGE, "imageVectors"),
    )
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "texts": {"type": ["array", "null"], "items": {"type": "string"}},
            "images": {
                "type": ["array", "null"],
                "items": {"type": "string", "description": "A picture file in base64"},
            },
            "dimensions": DIMENSIONS,
        },
    }

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: texts first, then images; missing, null and empty lists are the same."""
        given = [request.get(key) for key, *_ in self.kinds]
        # Before each is looked at: there may be millions.
        count = sum(len(one) for one in given if isinstance(one, list))
        check_count(count, " and ".join(key for key, *_ in self.kinds), settings)
        lists = [(key, modality, strings(request.get(key), key)) for key, modality, _ in self.kinds]
        items = [
            item(modality, content, f"{key}[{index}]", settings)
            for key, modality, contents in lists
            for index, content in enumerate(contents)
        ]
        return Asked(items, dimensions(request.get("dimensions"), "dimensions"))

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give the vectors in the order of the request, and both lists always."""
        return dumps(self.lists(request, vectors))

    def lists(self, request: dict[str, Any], vectors: Sequence[np.ndarray]) -> dict[str, Sequence[np.ndarray]]:
        """Sort vectors into the answer's lists by how many of each kind were asked for."""
        lists = {}
        for key, _, answer_key in self.kinds:
            count = len(request.get(key) or [])
            lists[answer_key], vectors = vectors[:count], vectors[count:]
        return lists
