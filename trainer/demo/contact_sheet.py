"""Draw queries and the pictures that they found on one sheet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from cl2cm_plugin.encoder.pictures import open_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE, _GAP, _LABEL, _MARGIN = 104, 14, 34, 24
_QUERY_WIDTH = 330
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
    pen.text((_MARGIN, _MARGIN), title, _INK, _font(22))
    for number, row in enumerate(rows):
        top = _MARGIN + 46 + number * height
        _write(pen, (_MARGIN, top + 22), row.query, _INK, 20, _QUERY_WIDTH - _GAP)
        _write(pen, (_MARGIN, top + 52), row.note, _GREY, 13, _QUERY_WIDTH - _GAP)
        for column, hit in enumerate(row.hits):
            _picture(sheet, pen, (_MARGIN + _QUERY_WIDTH + column * (_SIDE + _GAP), top), hit)
    pen.text((_MARGIN, size[1] - _MARGIN - 8), footer, _GREY, _font(12))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file, optimize=True)


def _picture(sheet: Image.Image, pen: ImageDraw.ImageDraw, corner: tuple[int, int], hit: Hit) -> None:
    picture = open_picture(hit.file)
    picture.thumbnail((_SIDE, _SIDE))
    sheet.paste(picture, corner)
    x, y = corner
    if hit.right:
        pen.rectangle((x - 4, y - 4, x + _SIDE + 3, y + _SIDE + 3), outline=_RIGHT, width=3)
    _write(pen, (x, y + _SIDE + 6), hit.caption, _RIGHT if hit.right else _GREY, 12, _SIDE + _GAP - 4)


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, colour: str, size: int, width: int) -> None:
    """Write lines, each shortened to a width in pixels."""
    font = _font(size)
    x, y = corner
    for number, line in enumerate(text.splitlines()):
        shown = line if _can_draw(line) else _UNDRAWABLE
        while pen.textlength(shown, font) > width:
            shown = shown.removesuffix("…")[:-1].rstrip() + "…"
        pen.text((x, y + round(1.35 * size * number)), shown, colour, font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow's own font lacks most accented letters; matplotlib brings one with Latin, Cyrillic and Arabic.
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _can_draw(text: str) -> bool:
    font = _font(20)
    missing = bytes(font.getmask("\U0010ffff"))
    return all(character.isspace() or bytes(font.getmask(character)) != missing for character in text)
