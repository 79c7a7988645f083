"""Requests that must be refused, and with which status."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from serving_parts.samples import body

if TYPE_CHECKING:
    from collections.abc import Callable

MALFORMED, TOO_LARGE, UNUSABLE = 400, 413, 422
# A JPEG file's frame header: marker, length, bits, then height and width.
_FRAME, _TO_SIZE, _LARGEST = b"\xff\xc0", 5, b"\xff\xff\xff\xff"
_MANY = 300


def bad_inputs(picture: bytes) -> dict[str, tuple[int, Callable[[int], bytes]]]:
    """Give the kinds of bad input.

    Args:
        picture: A sound JPEG file, which some of them are made of.

    Returns:
        By name: the status that refuses it, and a function that writes its body; numbers give different bodies.
    """
    size = picture.index(_FRAME) + _TO_SIZE
    enormous = _picture(picture[:size] + _LARGEST + picture[size + len(_LARGEST) :])
    return {
        "picture cut off": (UNUSABLE, lambda number: _picture(picture[: _part(number, len(picture))])),
        "header of 65535 x 65535 pixels": (UNUSABLE, lambda _: enormous),
        "no picture in the base64": (UNUSABLE, lambda number: _picture(b"%d is no picture" % number)),
        "no base64": (UNUSABLE, lambda number: body("pictures", f"{number}: no base64!")),
        "path of a file": (UNUSABLE, lambda number: body("pictures", f"/srv/pictures/{number}.jpg")),
        "one bad picture beside a good one": (UNUSABLE, lambda number: _beside(picture, number)),
        "JSON cut off": (MALFORMED, lambda number: body("texts", f"a text, {number}")[:-1]),
        "number for a list": (MALFORMED, lambda number: json.dumps({"texts": number}).encode()),
        "null for a text": (MALFORMED, lambda number: json.dumps({"texts": [f"text {number}", None]}).encode()),
        "list for the body": (MALFORMED, lambda number: json.dumps([f"text {number}"]).encode()),
        "too many texts": (TOO_LARGE, lambda number: json.dumps({"texts": [f"text {number}"] * _MANY}).encode()),
    }


def _picture(content: bytes) -> bytes:
    return body("pictures", base64.b64encode(content).decode())


def _part(number: int, length: int) -> int:
    """Cut between a tenth and nine tenths of the file, by turns."""
    return length * (1 + number % 9) // 10


def _beside(picture: bytes, number: int) -> bytes:
    contents = (picture, picture[: _part(number, len(picture))])
    return json.dumps({"images": [base64.b64encode(content).decode() for content in contents]}).encode()
