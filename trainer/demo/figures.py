"""The demo's figures: R@10 of names on three galleries, in English and in the target language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from trainer.corpus.openmoji import HELD_OUT, SOURCE_LANGUAGE
from trainer.evaluation.retrieval import text_ranks

if TYPE_CHECKING:
    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.towers.embedding import Embedder

CUTOFF = 10
WHOLE, HELD, TOGETHER, TOGETHER_HELD = "whole", "held_out", "picture_and_name", "picture_and_name_held_out"
LABELS = {
    WHOLE: "(a) the whole collection: mostly memory, four fifths were seen in training",
    HELD: "(b) held-out pictures among themselves: never seen, nor their names in the target language",
    TOGETHER: "(c) picture and English name together, whole collection (the English query is that name)",
    TOGETHER_HELD: "    of which queries for held-out pictures",
}


@dataclass(frozen=True)
class Vectors:
    """Unit vectors of the whole collection, one row a picture.

    Attributes:
        pictures: Vectors of the pictures, shape (n, d).
        names: Vectors of their names by language, shape (n, d).
        held_out: True for held-out pictures, shape (n,).
    """

    pictures: np.ndarray
    names: dict[str, np.ndarray]
    held_out: np.ndarray


def embed(corpus: CaptionedMedia, embedder: Embedder, languages: list[str]) -> Vectors:
    """Encode every picture of the collection, and its name in some languages."""
    media_ids = corpus.media_ids()
    files = corpus.files()
    held_out = set(corpus.media_ids(HELD_OUT))
    names = {language: dict(corpus.captions_in(language, media_ids)) for language in languages}
    return Vectors(
        embedder.pictures([files[media_id] for media_id in media_ids]),
        {language: embedder.texts([of[media_id] for media_id in media_ids]) for language, of in names.items()},
        np.asarray([media_id in held_out for media_id in media_ids]),
    )


def recall(vectors: Vectors, target_language: str) -> dict[str, dict[str, float]]:
    """Measure R@10 in percent.

    Args:
        vectors: Vectors of the whole collection.
        target_language: The language beside English.

    Returns:
        By gallery (see `LABELS`): the figure of each language, and ``chance``.
    """
    held = vectors.held_out
    everything = np.ones_like(held)
    # What Weaviate keeps for a picture with a caption: the mean of both vectors, compared by cosine.
    together = vectors.pictures + vectors.names[SOURCE_LANGUAGE]
    together /= np.linalg.norm(together, axis=1, keepdims=True)
    cases = {
        WHOLE: (everything, vectors.pictures, everything),
        HELD: (held, vectors.pictures, held),
        TOGETHER: (everything, together, everything),
        TOGETHER_HELD: (held, together, everything),
    }
    return {
        case: {
            **{
                language: _hits(vectors.names[language], queries, images, gallery)
                for language in (SOURCE_LANGUAGE, target_language)
            },
            "chance": 100 * CUTOFF / int(gallery.sum()),
        }
        for case, (queries, images, gallery) in cases.items()
    }


def _hits(texts: np.ndarray, queries: np.ndarray, images: np.ndarray, gallery: np.ndarray) -> float:
    """R@10 in percent of some rows as queries against some rows as gallery."""
    place = np.cumsum(gallery) - 1
    ranks = text_ranks(images[gallery], texts[queries], place[queries])
    return 100 * float((ranks <= CUTOFF).mean())


def mean(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Average the figures of several runs, rounded to a tenth of a percent."""
    return {
        case: {key: round(float(np.mean([run[case][key] for run in runs])), 1) for key in runs[0][case]}
        for case in runs[0]
    }


def table(averaged: dict[str, dict[str, float]], target_language: str, seeds: int) -> Table:
    """Draw the figures for the terminal."""
    drawn = Table(title=f"R@10 in percent, mean of {seeds} seeds")
    drawn.add_column("gallery")
    for column in (SOURCE_LANGUAGE, target_language, "chance"):
        drawn.add_column(column, justify="right")
    for case, values in averaged.items():
        drawn.add_row(LABELS[case], *(f"{value:.1f}" for value in values.values()))
    return drawn
