"""Pictures and clips as the model sees them when they come through ``cl2cm import`` and the vectorizer."""

from __future__ import annotations

import hashlib
import io
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.collections.pictures import UnreadablePicture, prepare
from cl2cm_plugin.encoder.pictures import PictureError, open_header, to_rgb
from cl2cm_plugin.encoder.video import is_video, read_frames
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from tuning.embedding.rows import Row


class UnusableMedium(ValueError):  # noqa: N818 - it is reported beside a row, not raised to a user
    """A medium without a vector: the message is one sentence that says why."""


def is_clip(row: Row) -> bool:
    """Whether a row's medium is a clip: by the suffix of its path, or else of its name."""
    return is_video(Path(row.path or row.name))


def read(row: Row, folder: Path, frames: int) -> list[Image.Image]:
    """Read a row's medium; its hash is noted in the row.

    Args:
        row: A row that has a medium.
        folder: What its path is relative to.
        frames: How many frames stand for a clip.

    Returns:
        Pictures in mode ``RGB``: one, scaled down as the importer does it if it is large, or the frames of a clip.

    Raises:
        UnusableMedium: It cannot be read or decoded.
    """
    try:
        return _frames(row, folder, frames) if is_clip(row) else [_picture(row, folder)]
    except OSError as error:
        raise UnusableMedium(f"the file cannot be read: {error.strerror or error}") from None
    except UnusableMedium:
        raise
    except (UnreadablePicture, PictureError) as error:
        raise UnusableMedium(str(error)) from None
    except Exception as error:  # noqa: BLE001 - decoders of damaged files raise whatever they stumble over
        raise UnusableMedium(f"it cannot be decoded ({type(error).__name__})") from None


def _picture(row: Row, folder: Path) -> Image.Image:
    content = row.media if row.media is not None else _path(row, folder).read_bytes()
    row.media_hash = hashlib.sha256(content).hexdigest()
    return to_rgb(open_header(io.BytesIO(prepare(content))))


def _frames(row: Row, folder: Path, count: int) -> list[Image.Image]:
    with _on_disk(row, folder) as file:
        row.media_hash = _sha256(file)
        try:
            return read_frames(file, count)
        except UserError as error:
            raise UnusableMedium(str(error).replace(str(file), row.name)) from None


def _path(row: Row, folder: Path) -> Path:
    assert row.path is not None
    return folder / row.path


@contextmanager
def _on_disk(row: Row, folder: Path) -> Iterator[Path]:
    """Give the file of a clip, which may have to be written: its decoder goes to and fro in it."""
    if row.media is None:
        yield _path(row, folder)
        return
    with tempfile.TemporaryDirectory(prefix="cl2cm-") as place:
        file = Path(place) / "clip"
        file.write_bytes(row.media)
        yield file


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
