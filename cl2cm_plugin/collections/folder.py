"""What a folder that is imported holds: its media, their captions, and the ids of their objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from cl2cm_plugin.collections.captions import read_captions
from cl2cm_plugin.collections.pictures import SUFFIXES, find_media
from cl2cm_plugin.encoder import video
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

# Fixed for ever: an object's id is made from it and the file's path, so that importing again never doubles.
NAMESPACE = UUID("5d9f6c1e-7a55-5b0c-9f0e-0c2c6d1f3a77")
# Suffixes of pictures and clips.
MEDIA = frozenset({*SUFFIXES, *video.SUFFIXES})


@dataclass(frozen=True)
class Medium:
    """A file that is to be an object.

    Attributes:
        path: Where it lies; None if it is not there.
        file: Its path relative to the folder, with forward slashes.
        caption: Its captions, one a line; None if it has none.
        vectors: Those that were computed before, by their names.
        vectors_of: The hash of the file of which they were computed.
    """

    path: Path | None
    file: str
    caption: str | None
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)
    vectors_of: str | None = None

    @property
    def id(self) -> UUID:
        """The id of its object."""
        return object_id(self.file)


def object_id(file: str) -> UUID:
    """The id of a file's object.

    Args:
        file: Its path relative to the imported folder, with forward slashes.

    Returns:
        The same id for the same path, always.
    """
    return uuid5(NAMESPACE, file)


def read_folder(folder: Path, language: str | None, usual: str, *, clips: bool = False) -> list[Medium]:
    """List the media of a folder.

    A captioned-media folder has media in ``media/`` and tables in ``captions/<language>.tsv``; any other folder is
    searched with its subfolders.

    Args:
        folder: The folder.
        language: Which captions are asked for; None leaves it to the folder whether there are any.
        usual: Which captions are read where nobody asks for others.
        clips: List clips as well, not only pictures.

    Returns:
        Every medium, sorted by path.

    Raises:
        UserError: The folder is not there, holds no medium or lacks the captions.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; name a folder of pictures.")
    captions: dict[str, str] = {}
    if (folder / "captions").is_dir():
        captions = read_captions(folder, language or usual)
    elif language is not None:
        raise UserError(f"{folder} has no captions: captions in {language!r} belong in captions/{language}.tsv there.")
    media = folder / "media" if (folder / "media").is_dir() else folder
    found = find_media(media, MEDIA if clips else SUFFIXES)
    if not found:
        raise UserError(
            f"There is no picture{' or clip' if clips else ''} in {media}; pictures end in .jpg, .png, .webp, .gif, "
            f".tif, .bmp or .avif{', clips in .mp4, .webm, .mov, .mkv, .m4v or .avi' if clips else ''}."
        )
    return [Medium(path, path.relative_to(folder).as_posix(), captions.get(_media_id(path, media))) for path in found]


def _media_id(path: Path, media: Path) -> str:
    return path.relative_to(media).with_suffix("").as_posix()
