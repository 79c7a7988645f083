"""A row on its way from a source to a vector, and the columns in which it is kept on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuning.embedding.source import Columns

# The column that tells rows apart keeps the name that it has in the source, whatever that is.
_PREFIX = "cl2cm_"
TEXTS = ("media_hash", "caption", "error")
VECTORS = ("vector", "caption_vector")


@dataclass
class Row:
    """What a row was, and what became of it.

    Attributes:
        name: What tells it from the others.
        media: A picture's or clip's bytes, if they are in the source.
        path: Where they are otherwise.
        caption: Its text, None if it has none.
        prepared: What the engine takes, while it waits for the engine.
        media_hash: SHA-256 of the medium.
        vector: Unit vector, float32 of shape (d,).
        caption_vector: The caption's.
        error: Why there is no vector, one sentence.
    """

    name: str
    media: bytes | None = None
    path: str | None = None
    caption: str | None = None
    prepared: list[Any] = field(default_factory=list)
    media_hash: str | None = None
    vector: np.ndarray | None = None
    caption_vector: np.ndarray | None = None
    error: str | None = None

    @property
    def has_medium(self) -> bool:
        """Whether there is a picture or clip."""
        return self.media is not None or self.path is not None


def from_table(table: pa.Table, columns: Columns) -> list[Row]:
    """Read rows.

    Args:
        table: As the source has it.
        columns: What its columns are called.
    """
    read = [
        table[name].to_pylist() if name is not None else [None] * len(table)
        for name in (columns.file, columns.media, columns.path, columns.caption)
    ]
    return [_row(*values) for values in zip(*read, strict=True)]


def _row(name: Any, media: Any, path: str | None, caption: str | None) -> Row:
    if isinstance(media, dict):
        # As `datasets` writes pictures: bytes, or else a path.
        media, path = media["bytes"], path or media.get("path")
    return Row(str(name), media, path, (caption or "").strip() or None)


def to_table(rows: Sequence[Row], names: pa.ChunkedArray, key: str, dimensions: int) -> pa.Table:
    """Write rows.

    Args:
        rows: What became of them.
        names: The column that tells them apart, as it was read.
        key: What it is called.
        dimensions: Length of a vector.
    """
    made = {name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in TEXTS}
    made |= {name: _vectors([getattr(row, name) for row in rows], dimensions) for name in VECTORS}
    return pa.table({key: names} | {_PREFIX + name: column for name, column in made.items()})


def read_back(table: pa.Table, key: str) -> pa.Table:
    """Give what `to_table` wrote its own names: ``file`` and those of a `Row`."""
    names = {key: "file"} | {_PREFIX + field.name: field.name for field in fields(Row)}
    return table.rename_columns([names[name] for name in table.column_names])


def _vectors(vectors: list[np.ndarray | None], dimensions: int) -> pa.Array:
    missing = [vector is None for vector in vectors]
    nothing = np.zeros(dimensions, np.float32)
    values = np.concatenate([nothing if vector is None else vector for vector in vectors])
    return pa.FixedSizeListArray.from_arrays(pa.array(values, pa.float32()), dimensions, mask=pa.array(missing))
