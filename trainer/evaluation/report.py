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


def evaluate_split(
    corpus: CaptionedMedia,
    split: str | None,
    languages: Sequence[str],
    encode_pictures: Callable[[list[str]], np.ndarray],
    encode_texts: Callable[[list[str]], np.ndarray],
) -> dict[str, Retrieval]:
    """Measure retrieval among the pictures of a split, language by language.

    Args:
        corpus: Where the pictures and captions are.
        split: The gallery; all pictures if None.
        languages: Languages of the queries.
        encode_pictures: Returns unit vectors of picture files, shape (n, d).
        encode_texts: Returns unit vectors of texts, shape (n, d).

    Returns:
        The figures by language.

    Raises:
        UserError: There is no such split, or the corpus has no captions in one of the languages.
    """
    media_ids = corpus.media_ids(split)
    captions = {language: corpus.captions_in(language, media_ids) for language in languages}
    files = corpus.files()
    images = encode_pictures([files[media_id] for media_id in media_ids])
    row = {media_id: index for index, media_id in enumerate(media_ids)}
    return {
        language: evaluate(
            images, encode_texts([caption for _, caption in of_language]), [row[owner] for owner, _ in of_language]
        )
        for language, of_language in captions.items()
    }


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
