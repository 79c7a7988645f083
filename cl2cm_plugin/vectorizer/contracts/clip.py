"""The contract of ``multi2vec-clip``: texts and base64 images in, one vector for each out.

Source: Weaviate's ``modules/multi2vec-clip/clients/vectorizer.go`` (v1.38.11) and the official inference container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from cl2cm_plugin.vectorizer.failures import InvalidRequestError, TooLargeError
from cl2cm_plugin.vectorizer.items import Item, Modality
from cl2cm_plugin.vectorizer.settings import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.settings import Settings

# Request key, modality, answer key. The module reads the two answer lists by position.
KINDS = (("texts", Modality.TEXT, "textVectors"), ("images", Modality.IMAGE, "imageVectors"))
_TYPE_NAMES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


class ClipContract:
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "multi2vec-clip"
    path = "/vectorize"
    schema: dict[str, Any] = {  # noqa: RUF012 - constant, and the protocol asks for a plain attribute
        "type": "object",
        "properties": {
            "texts": {"type": ["array", "null"], "items": {"type": "string"}},
            "images": {
                "type": ["array", "null"],
                "items": {"type": "string", "description": "A picture file in base64"},
            },
        },
    }

    def parse(self, body: bytes, settings: Settings) -> list[Item]:
        """Take a request apart: texts first, then images; missing, null and empty lists are the same."""
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidRequestError(f"the body is not JSON ({error})") from None
        if not isinstance(request, dict):
            raise InvalidRequestError(
                f"the body must be a JSON object with texts or images, not {_type_name(request)}"
            )
        lists = [(kind, modality, _strings(request, kind)) for kind, modality, _ in KINDS]
        count = sum(len(contents) for _, _, contents in lists)
        if count > settings.max_items:
            raise TooLargeError(f"the request has {count} texts and images; at most {settings.max_items} are taken")
        return [
            _item(f"{kind}[{index}]", modality, content, settings)
            for kind, modality, contents in lists
            for index, content in enumerate(contents)
        ]

    def answer(self, items: Sequence[Item], vectors: Sequence[np.ndarray]) -> bytes:
        """Give the vectors in the order of the request, and both lists always."""
        found = list(zip(items, vectors, strict=True))
        lists = {key: [vector for item, vector in found if item.modality is modality] for _, modality, key in KINDS}
        return orjson.dumps(lists, option=orjson.OPT_SERIALIZE_NUMPY)

    def failure(self, message: str) -> bytes:
        """Give the one key that the module shows to its user."""
        return orjson.dumps({"error": message})


def _strings(request: dict[str, Any], kind: str) -> list[str]:
    contents = request.get(kind)
    if contents is None:
        return []
    if not isinstance(contents, list):
        raise InvalidRequestError(f"{kind}: expected a list of strings, got {_type_name(contents)}")
    for index, content in enumerate(contents):
        if not isinstance(content, str):
            raise InvalidRequestError(f"{kind}[{index}]: expected a string, got {_type_name(content)}")
    return contents


def _item(label: str, modality: Modality, content: str, settings: Settings) -> Item:
    if modality is Modality.TEXT:
        return Item(modality, content[: settings.max_text_characters], label)
    size = len(content) * 3 // 4
    if size > settings.max_image_bytes:
        raise TooLargeError(
            f"{label}: this picture has {size / MEBIBYTE:.1f} MiB; at most {settings.max_image_bytes / MEBIBYTE:.1f} "
            "are taken: scale it down"
        )
    return Item(modality, content, label)


def _type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), "null")
