"""Find pictures in a folder, check that they open, and scale large ones down before they travel."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from cl2cm_plugin.encoder.pictures import FORMATS, to_rgb

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MAX_SIDE = 1024  # pixels; encoders look at 224 to 512
JPEG_QUALITY = 90
SUFFIXES = {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


class UnreadablePicture(ValueError):  # noqa: N818 - it is reported beside a file, not raised to a user
    """A file that Pillow cannot open as a picture; the message says why."""


def find_pictures(folder: Path) -> list[Path]:
    """List the pictures in a folder and its subfolders.

    Args:
        folder: Where to look.

    Returns:
        Every file whose suffix is a picture's, sorted by path; hidden files and folders are left out.
    """
    return find_media(folder, SUFFIXES)


def find_media(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """List the files of some kinds in a folder and its subfolders.

    Args:
        folder: Where to look.
        suffixes: Those that count, in lower case.

    Returns:
        Every such file, sorted by path; hidden files and folders are left out.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def prepare(content: bytes, max_side: int = MAX_SIDE) -> bytes:
    """Check a picture and scale it down if it is large.

    Args:
        content: The picture's file, any format that Pillow reads.
        max_side: The longest side, in pixels, that is sent as it is.

    Returns:
        The same bytes; or, of a picture that is larger or in a format that no vectorizer reads, a JPEG whose longest
        side is at most ``max_side``, upright, transparency laid on white.

    Raises:
        UnreadablePicture: It cannot be opened or decoded, or is so large that Pillow takes it for an attack.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if max(image.size) <= max_side and image.format in FORMATS:
                image.load()
                return content
            image.draft("RGB", (max_side, max_side))
            return jpeg(image, max_side)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError) as error:
        raise UnreadablePicture(_reason(error)) from None


def jpeg(image: Image.Image, max_side: int = MAX_SIDE) -> bytes:
    """Encode a picture as JPEG.

    Args:
        image: Any mode.
        max_side: The longest side, in pixels; larger pictures are scaled down.

    Returns:
        The JPEG file, quality 90, upright, transparency laid on white.
    """
    image = to_rgb(image).copy()  # `thumbnail` scales in place
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no picture format that can be read here"
    return f"the picture cannot be decoded: {str(error) or type(error).__name__}"
