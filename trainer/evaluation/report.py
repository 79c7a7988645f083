"""Evaluate a model on a corpus, and show the figures as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from trainer.evaluation.retrieval import Retrieval, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from trainer.corpus.captioned_media import CaptionedMedia

_COLUMNS = ("language", "T2I R@1", "R@5", "R@10", "median", "I2T R@1", "R@5", "R@10", "median", "SumR", "queries")


def evaluate_languages(
    corpus: CaptionedMedia,
    media_ids: Sequence[str],
    images: np.ndarray,
    encode_texts: Callable[[list[str]], np.ndarray],
    languages: Sequence[str],
) -> dict[str, Retrieval]:
    """Measure retrieval among some pictures, language by language.

    Args:
        corpus: Where the captions are.
        media_ids: The gallery.
        images: Unit vectors of the gallery, shape (len(media_ids), d).
        encode_texts: Returns unit vectors of texts, shape (n, d).
        languages: Languages of the queries.

    Returns:
        The figures by language.

    Raises:
        UserError: The corpus has no captions in one of the languages.
    """
    row = {media_id: index for index, media_id in enumerate(media_ids)}
    results = {}
    for language in languages:
        captions = corpus.captions_in(language, media_ids)
        texts = encode_texts([caption for _, caption in captions])
        results[language] = evaluate(images, texts, [row[media_id] for media_id, _ in captions])
    return results


def rows(results: dict[str, Retrieval]) -> list[tuple[str, ...]]:
    """Format the figures, one row a language."""
    return [
        (
            language,
            *(
                f"{value:.1f}"
                for d in (figures.text_to_image, figures.image_to_text)
                for value in (d.r1, d.r5, d.r10, d.median_rank)
            ),
            f"{figures.sum_r:.1f}",
            str(figures.text_to_image.queries),
        )
        for language, figures in results.items()
    ]


def table(results: dict[str, Retrieval], title: str) -> Table:
    """Draw the figures as a table for the terminal; T2I is text to image, I2T image to text, shares in percent."""
    drawn = Table(title=title)
    for name in _COLUMNS:
        drawn.add_column(name, justify="left" if name == "language" else "right")
    for row in rows(results):
        drawn.add_row(*row)
    return drawn


def markdown(results: dict[str, Retrieval]) -> str:
    """Write the figures as a Markdown table."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" + "|---:" * (len(_COLUMNS) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows(results))])
