"""What a frozen part of a model makes of an input: computed once, kept on disk by content."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from safetensors import safe_open
from safetensors.numpy import save_file

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
        rows: The arrays by hash, those on disk and those added; one on disk is read when it is asked for.
    """

    def __init__(self, kind: str, key: str) -> None:
        self._folder = _folder(kind, key)
        self._unsaved: dict[str, np.ndarray] = {}
        self._stored = _Stored()
        self._stored.open_all(self._folder)
        self.rows: Mapping[str, np.ndarray] = self._stored

    @contextmanager
    def filling(self, keys: Iterable[str]) -> Iterator[None]:
        """Compute what is missing alone: other runs that want the same wait, and find it then.

        Args:
            keys: The hashes of what is wanted; where all of it is there, nobody waits.
        """
        if all(key in self.rows for key in keys):
            yield
            return
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder.with_name(f"{self._folder.name}.lock")):
            self._stored.open_all(self._folder)
            yield
            self.flush()

    def add(self, rows: dict[str, np.ndarray]) -> None:
        """Keep some arrays; they reach the disk in bunches, at the latest with `flush`."""
        self._stored.added.update(rows)
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
        file = self._folder / f"{uuid.uuid4().hex}.safetensors"
        temporary.rename(file)
        # From here on read from the file: a run keeps more than fits the memory of a small machine.
        self._stored.open(file)
        self._stored.added.clear()
        self._unsaved = {}


class _Stored(Mapping[str, np.ndarray]):
    """Arrays that stay in their files until they are asked for, and those added since."""

    def __init__(self) -> None:
        self.added: dict[str, np.ndarray] = {}
        self._file_of: dict[str, Any] = {}
        self._opened: set[Path] = set()

    def open_all(self, folder: Path) -> None:
        for file in sorted(set(folder.glob("*.safetensors")) - self._opened):
            self.open(file)

    def open(self, file: Path) -> None:
        self._opened.add(file)
        handle = safe_open(file, framework="numpy")
        self._file_of.update(dict.fromkeys(handle.keys(), handle))

    def __getitem__(self, key: str) -> np.ndarray:
        if key in self.added:
            return self.added[key]
        return self._file_of[key].get_tensor(key)

    def __contains__(self, key: object) -> bool:
        return key in self.added or key in self._file_of

    def __iter__(self) -> Iterator[str]:
        yield from {**self._file_of, **self.added}

    def __len__(self) -> int:
        return len({**self._file_of, **self.added})


def _folder(kind: str, key: str) -> Path:
    return cache_folder() / "features" / f"{kind}-{key}"
