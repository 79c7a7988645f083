"""Media as they come in requests: base64 text to bytes, and pictures to RGB pixels within a budget of memory."""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cl2cm_plugin.encoder.pictures import PictureError, open_header, to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

    from cl2cm_plugin.vectorizer.engines import PreparedImage

Kept = TypeVar("Kept")

# Each pass over a progressive JPEG touches all of its pixels: ten are usual, hundreds over a large picture an attack.
_OF_PASSES = ("JPEG", "MPO")
_MOST_PIECES = 65_536
_PASS, _MOST_PIXELS_TOUCHED = b"\xff\xda", 1_000_000_000

_DATA_PREFIX = re.compile(r"\s*data:([^,]{0,200}),", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,10}://", re.IGNORECASE)
_FILE_PATH = re.compile(r"(?:[~.]{0,2}/|[a-z]:\\)?[^\n]*\.[a-z]{3,4}|(?:[~.]{1,2}/|/[a-z]+/)[^\n]*", re.IGNORECASE)
_LONGEST_NAME = 1200
_URL_SAFE = str.maketrans("-_", "+/")


class MediaError(Exception):
    """A picture or video that cannot be used: the message is one sentence that says why."""


class PixelBudget:
    """Holds back the decoding of pictures while too much of what was decoded is in memory.

    Args:
        pixels: How many pixels may be decoded and alive at once; a larger picture is let in when it is alone.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._used = 0
        # Reentrant by default, which it must be: room may be given back in a garbage collection inside `room`.
        self._changed = threading.Condition()

    @contextmanager
    def room(self, pixels: int) -> Iterator[Room]:
        """Wait until there is room for so many pixels, and occupy it until the block ends or what it keeps is gone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + pixels <= self._pixels)
            self._used += pixels
        room = Room(self, pixels)
        try:
            yield room
        finally:
            self._free(pixels - room.kept)

    def _free(self, pixels: int) -> None:
        with self._changed:
            self._used -= pixels
            self._changed.notify_all()


class Room:
    """Occupied room of a `PixelBudget`."""

    def __init__(self, budget: PixelBudget, pixels: int) -> None:
        self._budget = budget
        self._pixels = pixels
        self.kept = 0

    def keep(self, value: Kept, pixels: int) -> Kept:
        """Keep some of the room for as long as a value lives: no path, cancelled or failed, can forget to free it.

        Args:
            value: What was made of the pixels.
            pixels: How many it still holds; no more than were occupied count.

        Returns:
            The value.
        """
        self.kept = min(pixels, self._pixels)
        weakref.finalize(value, self._budget._free, self.kept).atexit = False
        return value


class PictureReader:
    """Turns base64 text into what an engine takes. Safe to call from several threads.

    Args:
        max_pixels: Width times height of the largest picture that is decoded.
        budget: Room for decoded pixels; a call waits for it.
        prepare: What the engine does to a decoded picture: `cl2cm_plugin.vectorizer.engines.Engine.prepare_image`.
    """

    def __init__(self, max_pixels: int, budget: PixelBudget, prepare: Callable[[Image.Image], PreparedImage]) -> None:
        self._max_pixels = max_pixels
        self._budget = budget
        self._prepare = prepare

    def __call__(self, content: str) -> PreparedImage:
        """Decode and prepare one picture.

        Args:
            content: A picture file in base64; a ``data:`` prefix and white space are allowed. Nothing else is ever
                opened: addresses and file paths are refused.

        Returns:
            What the engine makes of the picture, as `cl2cm_plugin.encoder.pictures.to_rgb` gives it.

        Raises:
            MediaError: It is no base64 or no usable picture.
        """
        data = decode_base64(content, "picture")
        try:
            image = open_header(io.BytesIO(data), self._max_pixels)
            pixels = image.width * image.height
            if image.format in _OF_PASSES and data.count(_PASS) * pixels > _MOST_PIXELS_TOUCHED:
                raise PictureError("this picture is stored in far more passes than any camera uses; save it again")
            if len(getattr(image, "tile", ())) > _MOST_PIECES:
                raise PictureError("this picture is stored in far more pieces than any program uses; save it again")
            with self._budget.room(pixels) as room:
                prepared = self._prepare(to_rgb(image))
                return room.keep(prepared, pixels_of(prepared))
        except PictureError as error:
            raise MediaError(not_content(content, "picture") or _without_internals(str(error))) from None


def pixels_of(prepared: PreparedImage) -> int:
    """Tell how many pixels of three bytes a prepared picture is worth in memory."""
    if isinstance(prepared, np.ndarray):
        return -(-prepared.nbytes // 3)
    return prepared.width * prepared.height


def decode_base64(content: str, noun: str) -> bytes:
    """Decode a file in base64.

    Args:
        content: The file; a ``data:`` prefix, white space, the URL-safe alphabet and missing padding are forgiven.
        noun: What the file should be, for error messages: ``picture``.

    Returns:
        The file's bytes.

    Raises:
        MediaError: It is empty or no base64.
    """
    try:
        # What Weaviate sends needs no forgiving, and looking for what to forgive takes thrice as long as decoding.
        if decoded := base64.b64decode(content, validate=True):
            return decoded
    except (binascii.Error, ValueError):
        pass
    prefix = _DATA_PREFIX.match(content)
    if prefix:
        if not prefix[1].lower().endswith("base64"):
            raise MediaError(f"this data: address is not in base64; {_send(noun)}")
        content = content[prefix.end() :]
    content = "".join(content.split()).rstrip("=").translate(_URL_SAFE)
    if not content:
        raise MediaError(f"this {noun} is empty; {_send(noun)}")
    try:
        return base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise MediaError(not_content(content, noun) or f"this is not base64; {_send(noun)}") from None


def not_content(content: str, noun: str) -> str | None:
    """Name the usual mistakes, the address or the path of a file in place of its bytes.

    Args:
        content: What was sent.
        noun: What the file should be: ``picture``.

    Returns:
        One sentence, or None if it is none of these mistakes.
    """
    start = content[:_LONGEST_NAME].strip()
    if _ADDRESS.match(start):
        return f"this is an address, and addresses are never opened; {_send(noun)}"
    if len(content) <= _LONGEST_NAME and _FILE_PATH.fullmatch(start):
        return f"this is a file path, and files are never opened; {_send(noun)}"
    return None


def _without_internals(sentence: str) -> str:
    """Leave out what a decoder calls the damage: it speaks of itself, not of the picture."""
    damage = sentence.partition(" (")[0]
    return damage if "damaged" in damage else sentence


def _send(noun: str) -> str:
    return f"send the {noun} file's bytes in base64"
