"""What a frozen part of a model makes of an input: computed once, kept on disk by content."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from cl2cm_plugin.encoder.backbones import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

# A killed run loses at most this many rows.
_ROWS_A_FILE = 512


class FeatureCache:
    """Arrays by content hash, in files of some hundred below the cache folder.

    Args:
        kind: What the arrays are, for example ``images``.
        key: Names what made them; another model or setting is another key.

    Attributes:
        rows: The arrays by hash, those on disk and those added.
    """

    def __init__(self, kind: str, key: str) -> None:
        self._folder = _folder(kind, key)
        self._unsaved: dict[str, np.ndarray] = {}
        self.rows: dict[str, np.ndarray] = {}
        for file in sorted(self._folder.glob("*.safetensors")):
            self.rows.update(load_file(file))

    def add(self, rows: dict[str, np.ndarray]) -> None:
        """Keep some arrays; they reach the disk in bunches, at the latest with `flush`."""
        self.rows.update(rows)
        self._unsaved.update(rows)
        if len(self._unsaved) >= _ROWS_A_FILE:
            self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet; a file appears whole or not at all."""
        if not self._unsaved:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{uuid.uuid4().hex}.tmp"
        save_file({key: np.ascontiguousarray(row) for key, row in self._unsaved.items()}, temporary)
        temporary.rename(self._folder / f"{uuid.uuid4().hex}.safetensors")
        self._unsaved = {}


def _folder(kind: str, key: str) -> Path:
    return cache_folder() / "features" / f"{kind}-{key}"
