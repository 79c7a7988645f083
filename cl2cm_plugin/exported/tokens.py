"""From texts to padded token ids, with the tokenizer's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class TextTokens:
    """Turns texts into token ids. Safe to call from several threads.

    Args:
        file: A ``tokenizer.json``.
        max_tokens: Texts are cut after this many tokens, the special ones included.
        padding: The id that fills the rows of shorter texts.
    """

    def __init__(self, file: Path, max_tokens: int, padding: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._padding = padding

    def ids(self, text: str) -> list[int]:
        """Give the token ids of a text; any string is a text, also an empty one."""
        # Lone surrogates, which JSON can carry, are no characters.
        ids: list[int] = self._tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8")).ids
        return ids

    def together(self, rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Put the ids of n texts into one batch.

        Returns:
            Ids and mask, int64 of shape (n, longest): the mask is 1 for tokens and 0 for padding. A text without
            tokens has a mask of zeros, and its vector is zero.
        """
        # A tokenizer without special tokens gives none for an empty text, and no graph takes no tokens.
        longest = max(1, *(len(row) for row in rows))
        ids = np.full((len(rows), longest), self._padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        return ids, mask
