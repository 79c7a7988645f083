"""What an export is calibrated on and measured with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Samples:
    """Pictures and captions of one collection.

    Attributes:
        calibration: Pictures that 8-bit ranges are taken from; none of them in the gallery.
        gallery: Pictures that are searched.
        captions: Captions that search them, in all languages of the model that the collection has.
        picture_of_caption: For each caption its picture's row in the gallery.
    """

    calibration: list[Path]
    gallery: list[Path]
    captions: list[str]
    picture_of_caption: list[int]
