"""Both towers of an exported model: texts and pictures to unit vectors."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported.runtimes import Session, Way, open_graph
from cl2cm_plugin.exported.tokens import TextTokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from cl2cm_plugin.exported.folder import Export


class ExportedTowers:
    """Encodes texts and pictures; a tower is loaded when it is first used. What prepares an item is thread-safe.

    Args:
        folder: An exported model.
        export: What `cl2cm_plugin.exported.folder.read` gave for it.
        text: How the text tower is computed.
        image: How the image tower is computed.
        threads: Threads that work on one batch; the runtime's choice if 0.

    Raises:
        UserError: Here or when a tower is loaded: a file is not what was exported.
    """

    def __init__(self, folder: Path, export: Export, text: Way, image: Way, threads: int = 0) -> None:
        self._file = partial(exported.checked, folder, export)
        self._tokens = TextTokens(self._file(exported.TOKENIZER), export.max_tokens, export.padding)
        self._preprocessing = export.preprocessing
        self._ways = {"text": text, "image": image}
        self._threads = threads

    @cached_property
    def _text(self) -> Session:
        return self._open("text", spinning=True)

    @cached_property
    def _image(self) -> Session:
        return self._open("image", spinning=False)

    def _open(self, tower: str, *, spinning: bool) -> Session:
        way = self._ways[tower]
        file = self._file(exported.graph(tower, way.stored))
        return open_graph(file, way, self._threads, spinning=spinning)

    def prepare_text(self, text: str) -> list[int]:
        """Give a text's token ids."""
        return self._tokens.ids(text)

    def prepare_image(self, image: Image.Image) -> np.ndarray:
        """Give an RGB picture's pixels, float32 of shape (3, height, width)."""
        return self._preprocessing(image)

    def encode_texts(self, rows: Sequence[list[int]]) -> np.ndarray:
        """Encode prepared texts: unit vectors, float32 of shape (n, d)."""
        ids, mask = self._tokens.together(rows)
        return self._text(input_ids=ids, attention_mask=mask)

    def encode_images(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Encode prepared pictures: unit vectors, float32 of shape (n, d)."""
        return self._image(pixel_values=np.stack(pixels))
