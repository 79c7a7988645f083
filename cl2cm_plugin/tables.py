"""Tab-separated tables with a header line, as the captioned-media format writes them."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING, TextIO

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


def read_table(file: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """Read some columns of a table, line by line.

    Args:
        file: A UTF-8 table, compressed if its name ends in ``.gz``; the first line names the columns, tabs stand
            between, nothing is quoted.
        columns: The columns to read, in the order wanted.
        optional: Further columns to read; empty where the table does not have them.

    Yields:
        The values of one line: ``columns``, then ``optional``. Lines that are too short are left out.

    Raises:
        UserError: The file is missing, lacks a column, or is no such table.
    """
    try:
        with _open(file) as stream:
            rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(rows, [])
            places = _places(file, header, columns)
            extra = [header.index(name) if name in header else None for name in optional]
            for row in rows:
                if len(row) > max(places):
                    values = [row[place] for place in places]
                    values += ["" if place is None or place >= len(row) else row[place] for place in extra]
                    yield tuple(values)
    except FileNotFoundError:
        raise UserError(f"There is no table {file}.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8.") from None
    except csv.Error as error:
        raise UserError(f"{file} cannot be read as a table ({error}): wanted one row a line, tabs between.") from None


def _open(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")  # type: ignore[return-value]
    return file.open(encoding="utf-8-sig", newline="")


def write_table(file: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table that `read_table` reads; tabs and line breaks inside a value become spaces."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns), *("\t".join(" ".join(value.split()) for value in row) for row in rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _places(file: Path, header: list[str], columns: Sequence[str]) -> list[int]:
    missing = [column for column in columns if column not in header]
    if missing:
        raise UserError(
            f"{file} lacks the column {' and '.join(missing)}: its first line names {', '.join(header) or 'nothing'}; "
            f"wanted {', '.join(columns)}, with tabs between."
        )
    return [header.index(column) for column in columns]
