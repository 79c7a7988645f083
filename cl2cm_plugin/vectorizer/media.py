"""Pictures as they come in requests: base64 text to RGB pixels, within a budget of memory."""

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
    """A picture that cannot be used: the message is one sentence that says why."""


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
        max_decoded_pixels: Pixels of all pictures from this reader that may be alive at once; a call waits for room.
    """

    def __init__(self, max_pixels: int, max_decoded_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._budget = PixelBudget(max_decoded_pixels)

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
        data = _decode_base64(content)
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
            raise MediaError(_not_content(content) or str(error)) from None
        return image


def _decode_base64(content: str) -> bytes:
    prefix = _DATA_PREFIX.match(content)
    if prefix:
        if not prefix[1].lower().endswith("base64"):
            raise MediaError("this data: address is not in base64; send the picture file's bytes in base64")
        content = content[prefix.end() :]
    content = "".join(content.split()).rstrip("=").translate(_URL_SAFE)
    if not content:
        raise MediaError("this picture is empty; send the picture file's bytes in base64")
    try:
        return base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise MediaError(
            _not_content(content) or "this is not base64; send the picture file's bytes in base64"
        ) from None


def _not_content(content: str) -> str | None:
    """Name the usual mistakes, the address or the path of a picture in place of its bytes."""
    if _ADDRESS.match(content):
        return "this is an address, and addresses are never opened; send the picture file's bytes in base64"
    if _FILE_PATH.fullmatch(content):
        return "this is a file path, and files are never opened; send the picture file's bytes in base64"
    return None
