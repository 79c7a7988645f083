"""Retrieval between pictures and captions: R@k in both directions, median rank, SumR.

R@k is the field's hit rate: the share of queries with at least one right answer among the first k. Ties count against:
an answer that scores as high as the right one is ranked before it, so a constant model scores no better than chance.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

CUTOFFS = (1, 5, 10)
_TEXTS_AT_ONCE, _IMAGES_AT_ONCE = 1024, 128


@dataclass(frozen=True)
class Direction:
    """One direction of retrieval: shares in percent, ranks from 1.

    Attributes:
        r1: R@1 in percent.
        r5: R@5 in percent.
        r10: R@10 in percent.
        median_rank: Median over the queries of the rank of the best right answer.
        queries: Number of queries.
        gallery: Number of answers to choose from.
    """

    r1: float
    r5: float
    r10: float
    median_rank: float
    queries: int
    gallery: int


@dataclass(frozen=True)
class Retrieval:
    """Both directions of retrieval for one language."""

    text_to_image: Direction
    image_to_text: Direction

    @property
    def sum_r(self) -> float:
        """SumR: the sum of the six R@k, 0 to 600."""
        return sum(d.r1 + d.r5 + d.r10 for d in (self.text_to_image, self.image_to_text))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return {**asdict(self), "sum_r": self.sum_r}


@dataclass(frozen=True)
class Ranks:
    """How each query fared: the rank of its first right answer, from 1, ties counted against.

    Attributes:
        text_to_image: Rank of each caption's picture among the pictures, shape (m,).
        image_to_text: Rank of the best caption of each picture that has one, in the order of the gallery, shape (p,).
        image_of_text: Row in the gallery of the picture that each caption describes, shape (m,).
        gallery: Number n of pictures.
    """

    text_to_image: np.ndarray
    image_to_text: np.ndarray
    image_of_text: np.ndarray
    gallery: int

    @property
    def described_images(self) -> np.ndarray:
        """Rows in the gallery of the pictures that have a caption, ascending, shape (p,)."""
        return np.unique(self.image_of_text)

    @property
    def figures(self) -> Retrieval:
        """The figures of both directions."""
        return Retrieval(
            text_to_image=summarise(self.text_to_image, self.gallery),
            image_to_text=summarise(self.image_to_text, len(self.text_to_image)),
        )


def evaluate(images: np.ndarray, texts: np.ndarray, image_of_text: Sequence[int] | np.ndarray) -> Retrieval:
    """Measure retrieval between pictures and captions: the figures of `rank`, with its arguments and errors."""
    return rank(images, texts, image_of_text).figures


def rank(images: np.ndarray, texts: np.ndarray, image_of_text: Sequence[int] | np.ndarray) -> Ranks:
    """Search for every caption's picture, and for every picture's captions.

    Args:
        images: Unit vectors of the gallery, shape (n, d).
        texts: Unit vectors of the captions, shape (m, d).
        image_of_text: Row in ``images`` of the picture that each caption describes, shape (m,).

    Returns:
        A rank for each query. A picture counts as found with the first of its captions; a picture without a caption
        is part of the gallery, but no query.

    Raises:
        ValueError: A vector is not finite, or the shapes do not fit.
        UserError: There is no picture or no caption.
    """
    owner = np.asarray(image_of_text)
    _check(images, texts, owner)
    return Ranks(text_ranks(images, texts, owner), image_ranks(images, texts, owner), owner, len(images))


def text_ranks(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Rank of each caption's picture in the gallery, from 1, ties counted against; shape (m,)."""
    ranks = np.empty(len(texts), dtype=np.int64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        rows = slice(start, start + _TEXTS_AT_ONCE)
        scores = texts[rows] @ images.T
        right = np.take_along_axis(scores, owner[rows, None], axis=1)
        ranks[rows] = (scores >= right).sum(axis=1)
    return ranks


def image_ranks(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Rank of the best caption of each picture that has one, from 1, ties counted against."""
    described = np.unique(owner)
    ranks = np.empty(len(described), dtype=np.int64)
    for start in range(0, len(described), _IMAGES_AT_ONCE):
        block = described[start : start + _IMAGES_AT_ONCE]
        scores = images[block] @ texts.T
        own = owner == block[:, None]
        best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
        ranks[start : start + len(block)] = 1 + ((scores >= best) & ~own).sum(axis=1)
    return ranks


def summarise(ranks: np.ndarray, gallery: int) -> Direction:
    """Turn ranks, from 1, into R@k in percent and a median rank.

    Args:
        ranks: One rank a query.
        gallery: Number of answers that each query chose from.

    Returns:
        The figures of one direction.
    """
    r1, r5, r10 = (100 * float((ranks <= k).mean()) for k in CUTOFFS)
    return Direction(r1, r5, r10, float(np.median(ranks)), len(ranks), gallery)


def _check(images: np.ndarray, texts: np.ndarray, owner: np.ndarray) -> None:
    if len(images) == 0 or len(texts) == 0:
        raise UserError(f"Nothing to evaluate: {len(images)} pictures and {len(texts)} captions.")
    if images.shape[1:] != texts.shape[1:]:
        raise UserError(
            f"Pictures have vectors of {images.shape[-1]} numbers and captions of {texts.shape[-1]}: the model has no "
            "space that both share."
        )
    if owner.shape != (len(texts),):
        raise ValueError(f"Shapes do not fit: texts {texts.shape}, owners {owner.shape}.")
    for name, vectors in (("picture", images), ("caption", texts)):
        if not np.isfinite(vectors).all():
            raise UserError(f"A {name} vector holds NaN or infinity: the model is broken.")
