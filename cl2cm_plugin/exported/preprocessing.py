"""From a picture to the pixels that an image tower takes, equal to the training's preprocessing to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Preprocessing:
    """How a picture is scaled, cut and normalised.

    Attributes:
        size: Height and width that a picture is squashed to; None where `shortest_edge` says it.
        shortest_edge: Length that the shorter side is scaled to, the other in proportion.
        resample: Pillow's number of the filter.
        crop: Height and width of the centre that is cut out; None takes all.
        scale: What values from 0 to 255 are multiplied by; None leaves them.
        mean: Subtracted from each channel.
        std: What each channel is divided by then.
    """

    size: tuple[int, int] | None
    shortest_edge: int | None
    resample: int
    crop: tuple[int, int] | None
    scale: float | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        # JSON has lists.
        for name in ("size", "crop", "mean", "std"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width of what comes out."""
        size = self.crop or self.size
        assert size is not None
        return size

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Prepare a picture.

        Args:
            image: A picture in mode ``RGB``.

        Returns:
            float32 of shape (3, height, width).
        """
        scaled = image.resize(self._scaled_size(image), Image.Resampling(self.resample))
        pixels = np.asarray(self._centre(scaled))
        prepared = np.empty((3, *pixels.shape[:2]), dtype=np.float32)
        for channel, values in enumerate(self._normalised):
            # Of the modes only this one writes into `out` without a copy; no value is out of range.
            np.take(values, pixels[..., channel], out=prepared[channel], mode="clip")
        return prepared

    @cached_property
    def _normalised(self) -> np.ndarray:
        """What each of the 256 values becomes in each channel, shape (3, 256): looked up instead of computed."""
        values = np.arange(256, dtype=np.float64)
        if self.scale is not None:
            values = values * self.scale
        # In this order of precisions, which is transformers'.
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return (values.astype(np.float32) - mean[:, None]) / std[:, None]

    def _scaled_size(self, image: Image.Image) -> tuple[int, int]:
        """Width and height, as Pillow has them."""
        if self.size is not None:
            return self.size[1], self.size[0]
        assert self.shortest_edge is not None
        shorter = min(image.size)
        width, height = (int(self.shortest_edge * side / shorter) for side in image.size)
        return width, height

    def _centre(self, image: Image.Image) -> Image.Image:
        """Cut the centre out; where the picture is smaller, black is put around it."""
        if self.crop is None:
            return image
        height, width = self.crop
        top, left = (image.height - height) // 2, (image.width - width) // 2
        return image.crop((left, top, left + width, top + height))
