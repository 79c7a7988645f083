"""A file of vectors that were computed in bulk: Parquet, one row an object; ``cl2cm embed`` writes it.

id              string, the object's id in a collection
file            string, its path in the folder, or its name in the table that it came from
media_hash      string, SHA-256 of its file; null where there is only a text
caption         string, one caption a line; null where there is none
vector          float32 of fixed length, the medium's unit vector; the text's where there is no medium
caption_vector  float32 of fixed length, the caption's unit vector; null where it was not computed

The schema's metadata has, under ``cl2cm``, a JSON object: which model made the vectors (``model``, as ``cl2cm.json``
has it), in which way (``engine``), and of how many frames of a clip (``frames``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

_KEY = b"cl2cm"


@dataclass(frozen=True)
class VectorRow:
    """One object's vectors.

    Attributes:
        file: Its path in the folder, or its name in the table that it came from.
        media_hash: SHA-256 of its file; None where there is only a text.
        caption: Its captions, one a line; None if it has none.
        vector: Unit vector, float32 of shape (d,).
        caption_vector: The caption's; None where it was not computed.
    """

    file: str
    media_hash: str | None
    caption: str | None
    vector: np.ndarray
    caption_vector: np.ndarray | None


def schema(info: ModelInfo, **facts: Any) -> pa.Schema:
    """Describe the file's columns, with the model that made the vectors.

    Args:
        info: The model.
        facts: What else there is to know about how they were made.
    """
    import pyarrow as pa

    vector = pa.list_(pa.float32(), info.dimensions)
    columns = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        ("media_hash", pa.string()),
        ("caption", pa.string()),
        pa.field("vector", vector, nullable=False),
        ("caption_vector", vector),
    ]
    return pa.schema(columns, metadata={_KEY: json.dumps({"model": asdict(info), **facts}).encode()})


class VectorFile:
    """A file of vectors, read piece by piece.

    Args:
        path: What ``cl2cm embed`` wrote.

    Attributes:
        path: As given.
        info: The model that made the vectors.
        rows: How many there are.

    Raises:
        UserError: It is no such file, or pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = _parquet().ParquetFile(path)
            self.info = _model(self._file.schema_arrow.metadata)
        except FileNotFoundError:
            raise UserError(f"There is no file of vectors {path}; `cl2cm embed` writes one.") from None
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(f"{path} is no file of vectors, or damaged; `cl2cm embed` writes one.") from None
        self.rows = self._file.metadata.num_rows

    def captions(self) -> Iterator[tuple[str, str | None]]:
        """Read the file and the caption of every row."""
        for batch in self._file.iter_batches(columns=["file", "caption"]):
            yield from zip(*(batch.column(name).to_pylist() for name in ("file", "caption")), strict=True)

    def batches(self, size: int) -> Iterator[list[VectorRow]]:
        """Read the rows in the file's order, at most ``size`` at a time; no more is ever in memory."""
        for batch in self._file.iter_batches(batch_size=size, columns=[field.name for field in fields(VectorRow)]):
            texts = (batch.column(name).to_pylist() for name in ("file", "media_hash", "caption"))
            vectors = (_vectors(batch.column(name)) for name in ("vector", "caption_vector"))
            yield [VectorRow(*values) for values in zip(*texts, *vectors, strict=True)]


def _vectors(column: Any) -> list[np.ndarray | None]:
    """Take a column of vectors apart without making numbers of Python of it."""
    # What is null is left out of the flat values.
    found = iter(column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size))
    return [next(found) if valid else None for valid in column.is_valid().to_pylist()]


def _model(metadata: dict[bytes, bytes]) -> ModelInfo:
    values = json.loads(metadata[_KEY])["model"]
    return ModelInfo(**{field.name: values[field.name] for field in fields(ModelInfo) if field.name in values})


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise UserError(
            "Files of vectors are read with pyarrow, which is not installed: pip install 'cl2cm-plugin[vectors]'"
        ) from None
    return parquet
