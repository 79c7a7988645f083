"""The service's own engine without the service: the one place here that knows how it is called."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.encoder.pictures import open_header, to_rgb
from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported.runtimes import Way
from cl2cm_plugin.exported.towers import ExportedTowers
from cl2cm_plugin.vectorizer.cores import granted
from cl2cm_plugin.vectorizer.media import decode_base64

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


class BareEngine:
    """An exported model, computed as the service computes it.

    Args:
        folder: An exported model.
        name: How the service calls its engine: ``text onnx-int8, image onnx-fp32``.
    """

    def __init__(self, folder: str, name: str) -> None:
        ways = dict(part.split() for part in name.split(", "))
        text, image = (Way(*ways[tower].split("-")) for tower in ("text", "image"))
        export = exported.read(Path(folder))
        find = partial(exported.checked, Path(folder), export)
        self._towers = ExportedTowers(find, export, text, image, granted())

    def decode_base64(self, content: str) -> bytes:
        """Decode base64 as the service does."""
        return decode_base64(content, "picture")

    def decode(self, picture: bytes) -> Image.Image:
        """Decode a picture file as the service does."""
        return to_rgb(open_header(io.BytesIO(picture)))

    def prepare(self, kind: str, item: Any) -> Any:
        """Give a text's tokens, or a decoded picture's pixels."""
        return self._towers.prepare_text(item) if kind == "texts" else self._towers.prepare_image(item)

    def ready(self, kind: str, item: str | bytes) -> Any:
        """Do all to a text, or to a picture file, that is done before the model."""
        return self.prepare(kind, item if isinstance(item, str) else self.decode(item))

    def encode(self, kind: str, prepared: list[Any]) -> np.ndarray:
        """Encode a batch: unit vectors, float32 of shape (items, d)."""
        return self._towers.encode_texts(prepared) if kind == "texts" else self._towers.encode_images(prepared)
