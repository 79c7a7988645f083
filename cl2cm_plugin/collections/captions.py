"""Read the caption table of a captioned-media folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table

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
    for media_id, caption in read_table(file, COLUMNS):
        if caption.strip():
            captions.setdefault(media_id, []).append(caption.strip())
    return {media_id: "\n".join(lines) for media_id, lines in captions.items()}
