"""What a contract hands to the vectorizer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Modality(StrEnum):
    """What kind of media an item is; each has its own queue."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True)
class Item:
    """One thing to be turned into one vector.

    Attributes:
        modality: Text, image or video.
        content: The text itself, or the picture's or video's file in base64.
        label: How the request calls it, for error messages: ``images[0]``.
    """

    modality: Modality
    content: str
    label: str


@dataclass(frozen=True)
class Asked:
    """What one request asks for.

    Attributes:
        items: In an order of the contract's own.
        dimensions: How long the vectors are to be; None leaves them as long as they are.
        sizes: How many successive items make one vector together, for each vector; None makes one of each item.
    """

    items: list[Item]
    dimensions: int | None = None
    sizes: list[int] | None = None
