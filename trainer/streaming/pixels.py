"""Open the pictures of shards; a damaged one is named and left out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from cl2cm_plugin.encoder import pictures
from cl2cm_plugin.errors import UserError
from trainer.corpus.media import open_media
from trainer.corpus.pixels import _MIRRORED, _augmented, _drawn_box

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image
    from torch import Tensor

    from trainer.streaming.items import PictureRow


@dataclass(frozen=True)
class OpenedPicture:
    """A picture as a stage takes it; the names are those of `trainer.corpus.training_data.CaptionedPicture`.

    Attributes:
        file: Its pixels, shape (frames, 3, height, width).
        source: A caption in the source language, or None.
        target: A caption in a target language, or None.
        group: Numbers the picture.
    """

    file: Tensor
    source: str | None
    target: str | None
    group: int


@dataclass(frozen=True)
class DamagedPicture:
    """A picture that cannot be opened, and why."""

    media_id: str
    reason: str


class PictureOpener:
    """From a row of a shard to pixels.

    Args:
        tower: The image ``Transformer`` module of sentence-transformers, for its preprocessing.
        folder: What paths are relative to.
        augmented: Crop and mirror at random, as `trainer.corpus.pixels` does.
    """

    def __init__(self, tower: Any, folder: Path, augmented: bool) -> None:
        self._preprocess, self._folder, self._augmented = tower.preprocess, folder, augmented

    def __call__(self, row: PictureRow) -> OpenedPicture | DamagedPicture:
        """Open a picture; how it is cropped depends on the row alone, whoever opens it."""
        try:
            frames = self._frames(row.image)
        except (pictures.PictureError, UserError) as error:
            return DamagedPicture(row.media_id, str(error))
        if self._augmented:
            frames = _cropped(frames, row.draw)
        return OpenedPicture(self._preprocess(frames)["pixel_values"], row.source, row.target, row.group)

    def _frames(self, image: dict[str, Any] | None) -> list[Image.Image]:
        if image and image["bytes"] is not None:
            return [pictures.to_rgb(pictures.open_header(io.BytesIO(image["bytes"])))]
        if image and image["path"] is not None:
            return open_media(str(self._folder / image["path"]))
        raise pictures.PictureError("its row holds neither bytes nor a path")


def _cropped(frames: list[Image.Image], draw: int) -> list[Image.Image]:
    with torch.random.fork_rng(devices=[]):
        # Of this processor alone: seeding all would also reseed dropout on a GPU.
        torch.default_generator.manual_seed(draw)
        # A mirrored clip would pan the other way than its caption says.
        mirrored = bool(torch.rand(()) < _MIRRORED) and len(frames) == 1
        box = _drawn_box(*frames[0].size)
    return [_augmented(frame, box, mirrored) for frame in frames]
