"""How a picture file becomes the RGB pixels that a model sees: the same way in training and in serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from pathlib import Path

# Pillow reads many more formats; the rarer decoders see little testing and no collection needs them.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 100_000_000
_ORIENTATION = 0x0112
_UPRIGHT = 1
_MAX_8_BIT = 255
_MAX_16_BIT = 65_535


class PictureError(ValueError):
    """A picture that cannot be used: the message is one sentence that says why."""


def open_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture file as the model sees it.

    Args:
        path: A file in one of `FORMATS`; its suffix does not matter.
        max_pixels: Width times height that is refused beyond, before anything is decoded.

    Returns:
        The picture in mode ``RGB``, upright, transparency on white; of an animation the first frame.

    Raises:
        PictureError: The file is missing, damaged, too large or no picture; the message names it.
    """
    try:
        with path.open("rb") as stream:
            return to_rgb(open_header(stream, max_pixels))
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from None
    except OSError as error:
        raise PictureError(f"{path}: this file cannot be read ({error.strerror})") from None


def open_header(stream: BinaryIO, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Recognise a picture by its content and check its size; its pixels stay undecoded.

    Args:
        stream: The file's bytes; must stay open until the pixels are decoded.
        max_pixels: Width times height that is refused beyond.

    Returns:
        The picture, not yet decoded.

    Raises:
        PictureError: It is in no known format, its header is damaged, or it is too large.
    """
    try:
        image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise PictureError(f"this is not a picture in a known format ({known}), or its beginning is damaged") from None
    except Image.DecompressionBombError:
        raise PictureError(f"this picture has far more than the {max_pixels} pixels that are read") from None
    except Exception as error:  # noqa: BLE001 - decoders of damaged files raise whatever they stumble over
        raise PictureError(f"the header of this picture is damaged ({_reason(error)})") from None
    width, height = image.size
    if width * height > max_pixels:
        raise PictureError(f"this picture has {width} x {height} pixels; at most {max_pixels} are read: scale it down")
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn any opened picture into upright RGB pixels.

    The EXIF orientation is applied, transparency is laid on white; palettes, CMYK, grey and 16-bit pictures become
    8-bit RGB. Of an animation the current frame is taken, which after opening is the first. Colour profiles are
    ignored.

    Args:
        image: A picture of any mode; it is left as it is, except that its pixels are loaded.

    Returns:
        The picture in mode ``RGB``: ``image`` itself if there was nothing to do.

    Raises:
        PictureError: The pixels are damaged or cut off, or the mode cannot be converted.
    """
    try:
        image.load()
        return _onto_white(_upright(_eight_bit(image)))
    except Exception as error:  # noqa: BLE001 - decoders of damaged files raise whatever they stumble over
        raise PictureError(f"this picture is damaged or cut off ({_reason(error)})") from None


def _upright(image: Image.Image) -> Image.Image:
    try:
        if image.getexif().get(_ORIENTATION, _UPRIGHT) == _UPRIGHT:
            return image
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - damaged EXIF data is common and must not cost the picture
        return image


def _onto_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale grey values of more than 8 bits, which Pillow's own conversion would clip to white."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    white = _MAX_16_BIT if image.mode.startswith("I;16") else _white_point(image.mode, float(values.max(initial=0)))
    grey = Image.fromarray(np.clip(values * (_MAX_8_BIT / white), 0, _MAX_8_BIT).astype(np.uint8))
    grey.getexif().update(image.getexif())
    return grey


def _white_point(mode: str, brightest: float) -> float:
    """Guess the full scale of a format that does not state it: the smallest usual one that holds every value."""
    scales = (1, _MAX_8_BIT, _MAX_16_BIT) if mode == "F" else (_MAX_16_BIT,)
    return next((scale for scale in scales if brightest <= scale), brightest)


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
