"""Read the caption table of a captioned-media folder."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("media_id", "caption")


def read_captions(folder: Path, language: str) -> dict[str, str]:
    """Read the captions of one language.

    Args:
        folder: A captioned-media folder, with ``captions/<language>.tsv``.
        language: The language's code, for example ``en``.

    Returns:
        The captions by media id; several captions of one medium are joined by newlines in the table's order.

    Raises:
        UserError: There is no table for that language, or it lacks a column, or is not UTF-8.
    """
    file = folder / "captions" / f"{language}.tsv"
    if not file.is_file():
        found = ", ".join(sorted(path.stem for path in file.parent.glob("*.tsv"))) or "none"
        raise UserError(f"There are no captions in {language!r}: {file} does not exist (languages found: {found}).")
    captions: dict[str, list[str]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            # No dialect: a caption may begin with a quotation mark, and the format knows no quoting.
            rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            media_id, caption = _columns(file, next(rows, []))
            for row in rows:
                if len(row) > max(media_id, caption) and row[caption].strip():
                    captions.setdefault(row[media_id], []).append(row[caption].strip())
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8.") from None
    except csv.Error as error:
        raise UserError(f"{file} cannot be read as a table ({error}): wanted one row a line, tabs between.") from None
    return {key: "\n".join(lines) for key, lines in captions.items()}


def _columns(file: Path, header: list[str]) -> tuple[int, int]:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise UserError(
            f"{file} lacks the column {' and '.join(missing)}: the first line names {', '.join(header) or 'nothing'}; "
            f"wanted {' and '.join(COLUMNS)}, with a tab between."
        )
    return header.index(COLUMNS[0]), header.index(COLUMNS[1])
