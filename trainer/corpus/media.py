"""Open the media of a corpus: of a picture one frame, of a clip several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track

from cl2cm_plugin.encoder import video
from trainer.corpus.pictures import open_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL import Image


def open_media(file: str, frames: int = video.FRAMES) -> list[Image.Image]:
    """Open a picture or a clip of a corpus, which must not have a bad one.

    Args:
        file: The file of the picture or clip.
        frames: How many frames of a clip are wanted.

    Returns:
        The picture as a model sees it, or the clip's frames in order of time.

    Raises:
        UserError: It cannot be opened; the message names it.
    """
    path = Path(file)
    return video.read_frames(path, frames) if video.is_video(path) else [open_picture(file)]


def frame_rows(
    files: Sequence[str],
    compute: Callable[[list[Image.Image]], np.ndarray],
    title: str,
    at_once: int,
    frames: int = video.FRAMES,
) -> Iterator[dict[str, np.ndarray]]:
    """Compute something of every frame, with a progress bar; what is opened stays little.

    Args:
        files: Different files of pictures and clips.
        compute: Makes one row of each picture or frame, shape (n, d).
        title: What the progress bar says.
        at_once: How many pictures and frames are computed together; a clip is never split.
        frames: How many frames of a clip are wanted.

    Yields:
        The rows of some files by file, shape (frames of it, d), until all files are done.

    Raises:
        UserError: A file cannot be opened.
    """
    opened: dict[str, list[Image.Image]] = {}
    for number, file in enumerate(track(files, title, disable=not files), 1):
        opened[file] = open_media(file, frames)
        if sum(map(len, opened.values())) >= at_once or number == len(files):
            rows = compute([picture for pictures in opened.values() for picture in pictures])
            ends = np.cumsum([len(pictures) for pictures in opened.values()])
            yield dict(zip(opened, np.split(rows, ends[:-1]), strict=True))
            opened = {}
