"""Leave out sentence pairs whose sides are no translations of each other, as an untrained text backbone sees them.

Our reading: filtering of bitext by neighbours in a multilingual space, with the backbone that a recipe names anyway. A
backbone puts a sentence near its translation long before it has learned to search pictures; of a wrong pair neither
side is among the other's neighbours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.errors import UserError
from trainer.corpus.captioned_media import WEAK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainer.corpus.captioned_media import CaptionedMedia


@dataclass(frozen=True)
class DoubtfulPairs:
    """The pairs of one language pair that look wrong.

    Attributes:
        languages: Source and target language, for example ``en-de``.
        of: How many pairs there were.
        pairs: Source and target of those left out, in the corpus's order.
    """

    languages: str
    of: int
    pairs: list[tuple[str, str]]

    def __str__(self) -> str:
        """Say how many, with an example."""
        example = ' ("{}" | "{}")'.format(*self.pairs[0]) if self.pairs else ""
        return f"{len(self.pairs)} of {self.of} {self.languages} pairs{example}"


def trusted(
    corpus: CaptionedMedia,
    takes: Callable[[dict[str, Any]], bool],
    encode: Callable[[Sequence[str]], np.ndarray],
    nearest: int,
    among: int,
) -> tuple[CaptionedMedia, list[DoubtfulPairs]]:
    """Leave the pairs of a corpus out that look wrong, each language pair for itself.

    Args:
        corpus: A corpus.
        takes: Which rows of its pairs training takes; the others stay as they are, as do those within one language and
            those of origin ``weak``, which are no translations.
        encode: Vectors of sentences, shape (n, d).
        nearest: As in `look_right`.
        among: As in `look_right`.

    Returns:
        The corpus without the doubtful pairs, and these by language pair.

    Raises:
        UserError: No pair of a language pair would be left.
    """
    rows: list[dict[str, Any]] = corpus.pairs.to_list()
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if takes(row) and row["source_language"] != row["target_language"] and row["origin"] != WEAK:
            places.setdefault(f"{row['source_language']}-{row['target_language']}", []).append(place)
    gone: set[int] = set()
    doubtful = []
    for languages, group in places.items():
        pairs = [(rows[place]["source"], rows[place]["target"]) for place in group]
        wrong = np.flatnonzero(~look_right(pairs, encode, nearest, among))
        if len(wrong) == len(pairs):
            raise UserError(
                f"pair_filter takes every {languages} pair in {corpus.folder} for wrong: perhaps the text backbone "
                "does not know one of the languages. Raise its line nearest, or leave pair_filter out of the recipe."
            )
        gone.update(group[number] for number in wrong)
        doubtful.append(DoubtfulPairs(languages, len(pairs), [pairs[number] for number in wrong]))
    left = corpus.pairs.select([place for place in range(len(rows)) if place not in gone])
    return replace(corpus, pairs=left), doubtful


def look_right(
    pairs: Sequence[tuple[str, str]],
    encode: Callable[[Sequence[str]], np.ndarray],
    nearest: int,
    among: int,
) -> np.ndarray:
    """Tell which pairs of one language pair look like translations.

    A pair does if its source is among the ``nearest`` of its target, or its target among those of its source, by the
    cosine of their vectors less the mean of each side. They are compared within parts of about ``among`` pairs, drawn
    by their text, so that the answer depends neither on the order of the pairs nor, much, on how many there are; where
    there are fewer pairs, ``nearest`` is lowered in proportion.

    Args:
        pairs: Sources and targets.
        encode: Vectors of sentences, shape (n, d).
        nearest: How near a side must be to the other.
        among: How many pairs are compared.

    Returns:
        Shape (n,), bool. A wrong pair drawn at random looks right with a chance of at most ``2 * nearest / among``;
        with n pairs, fewer than ``among / nearest``, of at most ``2 / n``.
    """
    sources, targets = (_centred(encode([pair[side] for pair in pairs])) for side in (0, 1))
    order = np.array(sorted(range(len(pairs)), key=lambda place: _drawn(pairs[place])), dtype=int)
    kept = np.zeros(len(pairs), dtype=bool)
    for part in np.array_split(order, max(1, len(pairs) // among)):
        cosines = sources[part] @ targets[part].T
        own = np.diag(cosines)
        nearer = (cosines > own[:, None]).sum(axis=1), (cosines > own).sum(axis=0)
        kept[part] = np.minimum(*nearer) < max(1, round(nearest * min(1, len(part) / among)))
    return kept


def _centred(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors without what all sentences of a language have in common."""
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))


def _drawn(pair: tuple[str, str]) -> str:
    return hashlib.sha256("\0".join(pair).encode()).hexdigest()
