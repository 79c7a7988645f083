"""Media that cannot be opened are found before anything is computed, and left out: a bad one fails alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import track

from cl2cm_plugin.encoder import pictures, video
from cl2cm_plugin.encoder.backbones import cache_folder
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.cores import granted
from trainer.digest import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainer.corpus.captioned_media import CaptionedMedia


def splits_without_damaged(
    corpus: CaptionedMedia, splits: Iterable[str | None]
) -> tuple[CaptionedMedia, dict[str, str]]:
    """Leave out what cannot be opened of some splits, as `without_damaged` does; None is the whole corpus."""
    return without_damaged(corpus, [media_id for split in splits for media_id in corpus.media_ids(split)])


def without_damaged(corpus: CaptionedMedia, media_ids: Iterable[str]) -> tuple[CaptionedMedia, dict[str, str]]:
    """Leave out the media that cannot be opened, with their captions.

    What was opened once is not opened again, until its size or date changes: a table below the cache folder has them.

    Args:
        corpus: The corpus.
        media_ids: The media that are wanted; others are not looked at.

    Returns:
        The corpus without those that are damaged, and why each of them is.
    """
    files = corpus.files()
    opened = _Opened(corpus.folder)
    damaged = opened.reasons({media_id: files[media_id] for media_id in dict.fromkeys(media_ids)})
    if not damaged:
        return corpus, {}
    media, captions = (
        table.select([row for row, media_id in enumerate(table["media_id"][:]) if media_id not in damaged])
        for table in (corpus.media, corpus.captions)
    )
    splits = {name: [one for one in ids if one not in damaged] for name, ids in corpus.splits.items()}
    return replace(corpus, media=media, captions=captions, splits=splits), damaged


def left_out(damaged: dict[str, str]) -> str:
    """Say which media were left out, the first three by name."""
    few = "; ".join(list(damaged.values())[:3])
    return f"Left out: {len(damaged)} that cannot be opened ({few}{'; ...' if len(damaged) > 3 else ''})."


class _Opened:
    """Which files of a folder were opened before, and what came of it: a line each of state and reason."""

    def __init__(self, folder: Path) -> None:
        self._table = cache_folder() / "opened" / f"{digest([str(folder.resolve())])}.tsv"
        lines = self._table.read_text(encoding="utf-8").splitlines() if self._table.is_file() else []
        # A line that a killed process left unfinished has no tab; its file is opened again.
        self._known = dict(line.split("\t", 1) for line in lines if "\t" in line)

    def reasons(self, files: dict[str, str]) -> dict[str, str]:
        """Open the files that are not known yet; why those that cannot be opened cannot, by media id."""
        states = {media_id: _state(Path(file)) for media_id, file in files.items()}
        missing = [media_id for media_id, state in states.items() if state not in self._known]
        self._table.parent.mkdir(parents=True, exist_ok=True)
        # A write a line, whole or not at all: others may write at the same time.
        with ThreadPoolExecutor(granted()) as threads, self._table.open("ab", buffering=0) as table:
            found = threads.map(lambda media_id: _reason(Path(files[media_id])), missing)
            title = f"Opening {len(missing)} pictures"
            for media_id, reason in zip(missing, track(found, title, len(missing), disable=not missing), strict=True):
                self._known[states[media_id]] = reason
                table.write(f"\n{states[media_id]}\t{reason}\n".encode())
        return {media_id: reason for media_id, state in states.items() if (reason := self._known[state])}


def _state(file: Path) -> str:
    """Name a file as it is now."""
    about = file.stat()
    return digest([str(file), str(about.st_size), str(about.st_mtime_ns)])


def _reason(file: Path) -> str:
    """Say why a picture or clip cannot be opened; empty if it can, or if clips cannot be opened here at all."""
    try:
        if not video.is_video(file):
            pictures.open_picture(file)
        elif find_spec("av"):
            video.read_frames(file, 1)
    except (pictures.PictureError, UserError) as error:
        return " ".join(str(error).split())
    return ""
