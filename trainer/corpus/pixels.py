"""Pictures as pixels, for image towers that are trained: opened anew every time, cropped and mirrored at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from trainer.corpus.media import open_media

if TYPE_CHECKING:
    from torch import Tensor

# The share of a picture's area that a crop keeps, and by how much it changes the aspect ratio: captions speak of what
# stands at the margin, too, so crops are milder than in image classification.
_LEAST_AREA = 0.6
_ASPECT = 1.2
_MIRRORED = 0.5


class Pixels:
    """A function from a file to pixels as the image tower takes them.

    Args:
        tower: The image ``Transformer`` module of sentence-transformers, for its preprocessing.
        augmented: Crop at random, all frames of a clip alike; mirror pictures at random.
    """

    def __init__(self, tower: Any, augmented: bool) -> None:
        self._preprocess = tower.preprocess
        self._augmented = augmented

    def __call__(self, file: str) -> Tensor:
        """Open a picture or clip: shape (frames, 3, height, width). Draws from torch's random generator."""
        frames = open_media(file)
        if self._augmented:
            # A mirrored clip would pan the other way than its caption says.
            mirrored = bool(torch.rand(()) < _MIRRORED) and len(frames) == 1
            box = _drawn_box(*frames[0].size)
            frames = [_augmented(frame, box, mirrored) for frame in frames]
        pixels: Tensor = self._preprocess(frames)["pixel_values"]
        return pixels


def _drawn_box(width: int, height: int) -> tuple[int, int, int, int]:
    area, aspect, x, y = torch.rand(4).tolist()
    side = (_LEAST_AREA + (1 - _LEAST_AREA) * area) ** 0.5
    stretch = _ASPECT ** (aspect - 0.5)
    kept = max(1, round(width * min(1, side * stretch))), max(1, round(height * min(1, side / stretch)))
    left, top = round(x * (width - kept[0])), round(y * (height - kept[1]))
    return left, top, left + kept[0], top + kept[1]


def _augmented(frame: Image.Image, box: tuple[int, int, int, int], mirrored: bool) -> Image.Image:
    cropped = frame.crop(box)
    return cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else cropped
