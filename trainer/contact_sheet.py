"""Draw queries and the pictures that they found on one sheet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from trainer.corpus.media import open_media

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE, _GAP, _LABEL, _MARGIN = 104, 14, 34, 24
_QUERY_WIDTH, _QUERY_SIZE, _QUERY_LINES = 330, 20, 3
_LINE_HEIGHT = 1.35
_UNDRAWABLE = "(see the table)"
_INK, _GREY, _RIGHT = "#1c1c1c", "#6d6d6d", "#1a7f37"


@dataclass(frozen=True)
class Hit:
    """A picture that was found: its file, its caption, and whether it is the one that was meant."""

    file: Path
    caption: str
    right: bool = False


@dataclass(frozen=True)
class Row:
    """A query, a note under it, and what it found, the best first."""

    query: str
    note: str
    hits: Sequence[Hit]


def draw(rows: Sequence[Row], title: str, footer: str, file: Path) -> None:
    """Draw a contact sheet, a row a query; a picture that was meant has a green frame.

    Text in a script that no font of this machine has is replaced by a reference to the table that goes with the sheet.

    Args:
        rows: Queries with what they found.
        title: The heading.
        footer: What has to stand below the pictures, such as their attribution.
        file: The PNG to write.
    """
    columns = max(len(row.hits) for row in rows)
    height = _SIDE + _LABEL + _GAP
    size = (2 * _MARGIN + _QUERY_WIDTH + columns * (_SIDE + _GAP), 2 * _MARGIN + 46 + len(rows) * height + 20)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_MARGIN, _MARGIN), title, _INK, 22, size[0] - 2 * _MARGIN)
    for number, row in enumerate(rows):
        top = _MARGIN + 46 + number * height
        below = _query(pen, (_MARGIN, top + 22), row.query)
        _write(pen, (_MARGIN, below + 3), row.note, _GREY, 13, _QUERY_WIDTH - _GAP)
        for column, hit in enumerate(row.hits):
            _picture(sheet, pen, (_MARGIN + _QUERY_WIDTH + column * (_SIDE + _GAP), top), hit)
    _write(pen, (_MARGIN, size[1] - _MARGIN - 8), footer, _GREY, 12, size[0] - 2 * _MARGIN)
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file, optimize=True)


def _picture(sheet: Image.Image, pen: ImageDraw.ImageDraw, corner: tuple[int, int], hit: Hit) -> None:
    # Of a clip, the frame in its middle.
    picture = open_media(str(hit.file), frames=1)[0]
    picture.thumbnail((_SIDE, _SIDE))
    sheet.paste(picture, corner)
    x, y = corner
    if hit.right:
        pen.rectangle((x - 4, y - 4, x + _SIDE + 3, y + _SIDE + 3), outline=_RIGHT, width=3)
    _write(pen, (x, y + _SIDE + 6), hit.caption, _RIGHT if hit.right else _GREY, 12, _SIDE + _GAP - 4)


def _query(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> int:
    """Write a query on as many lines as it needs and may have; return where it ends, in pixels from the top."""
    width = _QUERY_WIDTH - _GAP
    font = _font(text, _QUERY_SIZE)
    lines = _wrapped(pen, text, font, width) if font else [_UNDRAWABLE]
    _write(pen, corner, "\n".join(lines), _INK, _QUERY_SIZE, width)
    return corner[1] + round(_LINE_HEIGHT * _QUERY_SIZE) * len(lines)


def _wrapped(pen: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break a text into lines at its spaces, or between characters where it has none; the last takes all the rest."""
    gap = " " if " " in text.strip() else ""
    lines = [""]
    for word in text.split() if gap else text.strip():
        longer = f"{lines[-1]}{gap}{word}" if lines[-1] else word
        if lines[-1] and len(lines) < _QUERY_LINES and pen.textlength(longer, font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, colour: str, size: int, width: int) -> None:
    """Write lines, each shortened to a width in pixels."""
    x, y = corner
    for number, line in enumerate(text.splitlines()):
        font, shown = _font(line, size), line
        if font is None:
            font, shown = _load(_font_files()[0], size), _UNDRAWABLE
        while pen.textlength(shown, font) > width:
            shown = shown.removesuffix("…")[:-1].rstrip() + "…"
        pen.text((x, y + round(_LINE_HEIGHT * size * number)), shown, colour, font)


def _font(text: str, size: int) -> ImageFont.FreeTypeFont | None:
    """Find a font that has all characters of a text; None if there is none."""
    needed = {ord(character) for character in text if not character.isspace()}
    file = next((file for file in _font_files() if needed <= _characters(file)), None)
    return _load(file, size) if file else None


@cache
def _font_files() -> list[str]:
    # Pillow's own font lacks most accented letters; matplotlib brings one with Latin, Cyrillic and Arabic.
    ours = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return [str(ours), *sorted(font_manager.findSystemFonts())]


@cache
def _characters(file: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        # A damaged or exotic font of the machine is no reason to draw nothing.
        return frozenset()


@cache
def _load(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)
