"""What a contract hands to the vectorizer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Modality(StrEnum):
    """What kind of media an item is; each has its own queue."""

    TEXT = "text"
    IMAGE = "image"


@dataclass(frozen=True)
class Item:
    """One thing to be turned into one vector.

    Attributes:
        modality: Text or image.
        content: The text itself, or the picture file in base64.
        label: How the request calls it, for error messages: ``images[0]``.
    """

    modality: Modality
    content: str
    label: str
