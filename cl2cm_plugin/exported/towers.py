"""Both towers of an exported model: texts and pictures to unit vectors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported.runtimes import Session, Way, open_graph
from cl2cm_plugin.exported.tokens import TextTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PIL import Image

    from cl2cm_plugin.exported.folder import Export


class ExportedTowers:
    """Encodes texts and pictures; a tower is loaded when it is first used. What prepares an item is thread-safe.

    Args:
        find: Gives the path of one of the export's files by its name, for serving
            `cl2cm_plugin.exported.folder.checked`; what it raises is raised where the file is first needed.
        export: What the export says of itself.
        text: How the text tower is computed.
        image: How the image tower is computed.
        threads: Threads that work on one batch; the runtime's choice if 0.
    """

    def __init__(self, find: Callable[[str], Path], export: Export, text: Way, image: Way, threads: int = 0) -> None:
        self._find = find
        self._export = export
        self._ways = {"text": text, "image": image}
        self._threads = threads

    @cached_property
    def _tokens(self) -> TextTokens:
        return TextTokens(self._find(exported.TOKENIZER), self._export.max_tokens, self._export.padding)

    @cached_property
    def _text(self) -> Session:
        return self._open("text", alone=True)

    @cached_property
    def _image(self) -> Session:
        return self._open("image", alone=False)

    def _open(self, tower: str, *, alone: bool) -> Session:
        way = self._ways[tower]
        file = self._find(exported.graph(tower, way.stored))
        return open_graph(file, way, self._threads, alone=alone)

    def prepare_text(self, text: str) -> list[int]:
        """Give a text's token ids."""
        return self._tokens.ids(text)

    def prepare_image(self, image: Image.Image) -> np.ndarray:
        """Give an RGB picture's pixels, float32 of shape (3, height, width)."""
        return self._export.preprocessing(image)

    def encode_texts(self, rows: Sequence[list[int]]) -> np.ndarray:
        """Encode prepared texts: unit vectors, float32 of shape (n, d)."""
        ids, mask = self._tokens.together(rows)
        return self._text(input_ids=ids, attention_mask=mask)

    def encode_images(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Encode prepared pictures: unit vectors, float32 of shape (n, d)."""
        return self._image(pixel_values=np.stack(pixels))
