"""What is to be embedded: a folder of media, or Parquet. Ray reads either as Parquet: of a folder, its list."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import compute, dataset, parquet

from cl2cm_plugin.collections.folder import MEDIA, read_folder
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Columns:
    """What the columns of Parquet are called.

    Attributes:
        file: A name that no other row has; where there is none, the path is the name.
        media: Bytes of a picture or clip, alone or as ``bytes`` of a struct, as `datasets` writes them.
        path: The path of a picture or clip, absolute or relative to the folder in which the Parquet lies.
        caption: A text.
    """

    file: str | None = "file"
    media: str | None = "media"
    path: str | None = "path"
    caption: str | None = "caption"

    @property
    def names(self) -> list[str]:
        """Those that there are, each once."""
        every = [getattr(self, one.name) for one in fields(self)]
        return list(dict.fromkeys(name for name in every if name is not None))


@dataclass(frozen=True)
class Source:
    """Rows to be embedded.

    Attributes:
        files: Parquet files.
        columns: What their columns are called; None where there is no such column. Each row has a ``file``.
        folder: What paths are relative to.
        rows: How many there are.
    """

    files: list[str]
    columns: Columns
    folder: Path
    rows: int

    @property
    def key(self) -> str:
        """The column that tells rows apart."""
        assert self.columns.file is not None
        return self.columns.file


def parquet_files(place: Path) -> list[Path]:
    """List the Parquet files of a place: itself, or those in a folder that holds no media beside them."""
    if place.is_file():
        return [place]
    is_of_media = (place / "media").is_dir() or any(file.suffix.lower() in MEDIA for file in place.iterdir())
    return [] if is_of_media else sorted(place.glob("*.parquet"))


def from_folder(folder: Path, captions: str | None, listed: Path) -> Source:
    """List a folder's pictures and clips, as ``cl2cm import`` finds them.

    Args:
        folder: Any folder of media, or one with ``media/`` and ``captions/``.
        captions: The captions' language; by default English where there are captions.
        listed: Where the list is written; if it is there, it is not made again.

    Raises:
        UserError: The folder is not there, holds no medium or lacks the captions.
    """
    if not listed.is_file():
        media = read_folder(folder, captions, "en", clips=True)
        columns = {name: [getattr(medium, name) for medium in media] for name in ("file", "caption")}
        table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
        unfinished = listed.with_suffix(".new")
        parquet.write_table(table, unfinished)
        unfinished.replace(listed)
    rows = parquet.read_metadata(listed).num_rows
    return Source([str(listed)], Columns("file", None, "file", "caption"), folder, rows)


def from_parquet(place: Path, names: Mapping[str, str]) -> Source:
    """Look at what Parquet holds.

    Args:
        place: A file, or a folder with such files.
        names: Names of columns, by the attributes of `Columns`, where they are not the usual ones.

    Raises:
        UserError: It is no Parquet, or lacks what is needed, or two rows have the same name.
    """
    paths = [str(file) for file in parquet_files(place)]
    try:
        rows = dataset.dataset(paths, format="parquet")
    except (OSError, ValueError) as error:
        raise UserError(f"{place} cannot be read as Parquet: {error}") from None
    if not rows.count_rows():
        raise UserError(f"{place} has no rows.")
    columns = _columns(place, rows.schema, names)
    assert columns.file is not None
    keys = rows.to_table([columns.file])[columns.file]
    different = compute.count_distinct(keys, mode="only_valid").as_py()
    if different < len(keys):
        raise UserError(
            f"The column {columns.file!r} of {place} must tell rows apart, but of {len(keys)} rows only {different} "
            "have a name of their own. Name another column with --columns file=COLUMN."
        )
    folder = place.parent if place.is_file() else place
    return Source(paths, columns, folder, len(keys))


def _columns(place: Path, schema: pa.Schema, names: Mapping[str, str]) -> Columns:
    """Find the columns that there are; those that were asked for must be there."""
    for name in names.values():
        if name not in schema.names:
            raise UserError(f"{place} has no column {name!r}, only {', '.join(schema.names)}.")
    wanted: dict[str, Any] = {one.name: names.get(one.name, one.default) for one in fields(Columns)}
    found = {role: name if name in schema.names else None for role, name in wanted.items()}
    found["file"] = found["file"] or found["path"]
    if found["file"] is None or not (found["media"] or found["path"] or found["caption"]):
        raise UserError(
            f"{place} has the columns {', '.join(schema.names)}; needed are file, or path, and one of media, path and "
            "caption. Name them with --columns, for example --columns file=url media=image caption=text."
        )
    media = found["media"]
    if media is not None and not _holds_bytes(schema.field(media).type):
        raise UserError(
            f"The column {media!r} of {place} is no column of bytes; is it one of paths? Then name it with "
            f"--columns path={media}."
        )
    return Columns(**found)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _holds_bytes(kind.field(place).type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
