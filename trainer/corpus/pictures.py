"""Open the pictures of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.encoder import pictures
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from PIL import Image


def open_picture(file: str) -> Image.Image:
    """Open a picture of a corpus, which must not have a bad one.

    Args:
        file: The picture's file.

    Returns:
        The picture as a model sees it.

    Raises:
        UserError: It cannot be opened; the message names it.
    """
    try:
        return pictures.open_picture(Path(file))
    except pictures.PictureError as error:
        raise UserError(f"A picture cannot be used: {error}. Replace it, or take it out of the corpus.") from None
