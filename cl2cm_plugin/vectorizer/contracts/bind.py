"""The contract of ``multi2vec-bind``: as ``multi2vec-clip``, and videos; its other media are refused.

Source: Weaviate's ``modules/multi2vec-bind/clients/vectorizer.go`` (v1.38.11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cl2cm_plugin.vectorizer.contracts.clip import ClipContract
from cl2cm_plugin.vectorizer.contracts.reading import strings
from cl2cm_plugin.vectorizer.contracts.writing import dumps
from cl2cm_plugin.vectorizer.failures import UnusableItemError
from cl2cm_plugin.vectorizer.items import Asked, Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings

# No model here has vectors for these.
REFUSED = ("audio", "imu", "thermal", "depth")


class BindContract(ClipContract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "multi2vec-bind"
    takes = "texts, images or video"
    kinds = (*ClipContract.kinds, ("video", Modality.VIDEO, "videoVectors"))
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            **ClipContract.schema["properties"],
            "video": {
                "type": ["array", "null"],
                "items": {"type": "string", "description": "A video file in base64"},
            },
            **{key: {"type": ["array", "null"], "maxItems": 0} for key in REFUSED},
        },
    }

    def matches(self, request: dict[str, Any]) -> bool:
        """Tell by the media that ``multi2vec-clip`` does not have; without them both are answered alike."""
        return any(key in request for key in ("video", *REFUSED))

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart: texts, then images, then videos."""
        for key in REFUSED:
            if strings(request.get(key), key):
                raise UnusableItemError(
                    f"{key}[0]: this model has no vectors for {key}, only for texts, images and video; leave it out"
                )
        return super().parse(request, settings)

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Give the vectors in the order of the request, and all seven lists always."""
        return dumps(self.lists(request, vectors) | {f"{key}Vectors": [] for key in REFUSED})
