"""From the vectors of items to those of an answer: parts joined, dimensions left out."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from cl2cm_plugin.encoder.video import pool_frames
from cl2cm_plugin.vectorizer.failures import InvalidRequestError, UnusableItemError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST = 1e-6


def checked_dimensions(wanted: int, most: int) -> int:
    """Refuse a length that vectors cannot have.

    Args:
        wanted: The length asked for.
        most: The length that they have.

    Returns:
        The length asked for.

    Raises:
        InvalidRequestError: It is below one, or above the most.
    """
    if not 1 <= wanted <= most:
        raise InvalidRequestError(f"{wanted} dimensions are asked for; 1 to {most} can be had here")
    return wanted


def joined(vectors: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
    """Make one vector of several: their normalised mean, as of the frames of a video.

    Args:
        vectors: Unit vectors, each of shape (dimensions,).
        sizes: How many successive ones belong together, for each result; they add up to all.

    Returns:
        Unit vectors, one for each size; a vector that belongs to no other is left as it is, to the bit.

    Raises:
        UnusableItemError: Vectors that belong together cancel one another out.
    """
    rest = iter(vectors)
    groups = [list(itertools.islice(rest, size)) for size in sizes]
    return [group[0] if len(group) == 1 else _of_unit_length(pool_frames(np.stack(group))) for group in groups]


def narrowed(vectors: Sequence[np.ndarray], dimensions: int) -> list[np.ndarray]:
    """Leave the last dimensions out, and make what is left unit vectors.

    Args:
        vectors: Unit vectors, each of shape (d,).
        dimensions: How many of the first dimensions stay.

    Returns:
        Unit vectors of shape (dimensions,); vectors that are as short already are left as they are, to the bit.

    Raises:
        UnusableItemError: Nothing is left of a vector.
    """
    return [vector if len(vector) == dimensions else _of_unit_length(vector[:dimensions].copy()) for vector in vectors]


def _of_unit_length(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    if length < _SHORTEST:
        raise UnusableItemError(
            "nothing is left of an input's vector: its parts cancel one another out, or too few dimensions are asked "
            "for; change its parts, or ask for more dimensions"
        )
    return vector / length
