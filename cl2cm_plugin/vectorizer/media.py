"""Media as they come in requests: base64 text to bytes, and pictures to RGB pixels within a budget of memory."""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
import weakref
from typing import TYPE_CHECKING

from cl2cm_plugin.encoder.pictures import PictureError, open_header, to_rgb

if TYPE_CHECKING:
    from PIL import Image

_DATA_PREFIX = re.compile(r"\s*data:([^,]{0,200}),", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]{1,10}://", re.IGNORECASE)
_FILE_PATH = re.compile(
    r"\s*(?:[~.]{0,2}/|[a-z]:\\)?[^\n]{0,1000}\.[a-z]{3,4}\s*|\s*(?:[~.]{1,2}/|/[a-z]+/)[^\n]{0,1000}", re.I
)
_URL_SAFE = str.maketrans("-_", "+/")


class MediaError(ValueError):
    """A picture or video that cannot be used: the message is one sentence that says why."""


class PixelBudget:
    """Holds back the decoding of pictures while too many decoded ones are in memory.

    Args:
        pixels: How many pixels may be decoded and alive at once; a larger picture is let in when it is alone.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._used = 0
        # Reentrant by default, which it must be: `free` may run in a garbage collection inside `take`.
        self._changed = threading.Condition()

    def take(self, pixels: int) -> None:
        """Wait until there is room for a picture of so many pixels, and occupy it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + pixels <= self._pixels)
            self._used += pixels

    def free(self, pixels: int) -> None:
        """Give the room of a picture back."""
        with self._changed:
            self._used -= pixels
            self._changed.notify_all()


class PictureReader:
    """Turns base64 text into pictures. Safe to call from several threads.

    Args:
        max_pixels: Width times height of the largest picture that is decoded.
        budget: Room for decoded pixels; a call waits for it.
    """

    def __init__(self, max_pixels: int, budget: PixelBudget) -> None:
        self._max_pixels = max_pixels
        self._budget = budget

    def __call__(self, content: str) -> Image.Image:
        """Decode one picture.

        Args:
            content: A picture file in base64; a ``data:`` prefix and white space are allowed. Nothing else is ever
                opened: addresses and file paths are refused.

        Returns:
            The picture in mode ``RGB``, as `cl2cm_plugin.encoder.pictures.to_rgb` makes it.

        Raises:
            MediaError: It is no base64 or no usable picture.
        """
        data = decode_base64(content, "picture")
        try:
            image = open_header(io.BytesIO(data), self._max_pixels)
            pixels = image.width * image.height
            self._budget.take(pixels)
            try:
                image = to_rgb(image)
                # The room is free when the picture is: no path, cancelled or failed, can forget to give it back.
                weakref.finalize(image, self._budget.free, pixels).atexit = False
            except BaseException:
                self._budget.free(pixels)
                raise
        except PictureError as error:
            raise MediaError(not_content(content, "picture") or str(error)) from None
        return image


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
    if _ADDRESS.match(content):
        return f"this is an address, and addresses are never opened; {_send(noun)}"
    if _FILE_PATH.fullmatch(content):
        return f"this is a file path, and files are never opened; {_send(noun)}"
    return None


def _send(noun: str) -> str:
    return f"send the {noun} file's bytes in base64"
