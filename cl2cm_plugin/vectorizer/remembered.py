"""The vectors of what was asked for most recently."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class RememberedVectors:
    """Keeps the most recently used vectors.

    Args:
        capacity: How many; 0 keeps none.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._vectors: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def get(self, key: bytes) -> np.ndarray | None:
        """Return the vector kept under a key, if there is one."""
        vector = self._vectors.get(key)
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def keep(self, key: bytes, vector: np.ndarray) -> None:
        """Keep a vector, and drop the one that was used longest ago if there is no room."""
        self._vectors[key] = vector
        if len(self._vectors) > self._capacity:
            self._vectors.popitem(last=False)
