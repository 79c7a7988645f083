"""How close an exported tower comes to the model that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_MEAN_COSINE = 0.99
MIN_FIRST_PERCENTILE = 0.97
MAX_RECALL_LOSS = 0.5
_K = 10


@dataclass(frozen=True)
class Cosines:
    """Cosine between an item's vector before and after, over some items.

    Attributes:
        mean: Their mean.
        first_percentile: The value that one item in a hundred stays below.
        lowest: The lowest.
    """

    mean: float
    first_percentile: float
    lowest: float

    @property
    def suffices(self) -> bool:
        """Whether a tower in 8 bits may be served."""
        return self.mean >= MIN_MEAN_COSINE and self.first_percentile >= MIN_FIRST_PERCENTILE

    def __str__(self) -> str:
        return f"a mean cosine of {self.mean:.3f} (1st percentile {self.first_percentile:.3f})"


def cosines(before: np.ndarray, after: np.ndarray) -> Cosines:
    """Compare unit vectors of the same items, each of shape (n, d)."""
    values = (before * after).sum(axis=1)
    return Cosines(float(values.mean()), float(np.percentile(values, 1)), float(values.min()))


def recall(images: np.ndarray, texts: np.ndarray, image_of_text: Sequence[int]) -> float:
    """Compute R@10 in percent, mean of both directions.

    Args:
        images: Unit vectors of the gallery, shape (n, d).
        texts: Unit vectors of captions, shape (m, d).
        image_of_text: For each caption the row of its picture.
    """
    scores, owners = texts @ images.T, np.asarray(image_of_text)
    found = _best(scores) == owners[:, None]
    pictures = np.unique(owners)
    found_texts = owners[_best(scores.T[pictures])] == pictures[:, None]
    return float(100 * (found.any(axis=1).mean() + found_texts.any(axis=1).mean()) / 2)


def _best(scores: np.ndarray) -> np.ndarray:
    count = min(_K, scores.shape[1])
    return np.argpartition(-scores, count - 1, axis=1)[:, :count]
