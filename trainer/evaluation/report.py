"""Evaluate a model on a corpus, and show the figures as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from trainer.evaluation.measurement import measure_split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.evaluation.measurement import LanguageResult
    from trainer.evaluation.retrieval import Retrieval

_COLUMNS = ("language", "T2I R@1", "R@5", "R@10", "median", "I2T R@1", "R@5", "R@10", "median", "SumR", "queries")


def evaluate_split(
    corpus: CaptionedMedia,
    split: str | None,
    languages: Sequence[str],
    encode_pictures: Callable[[list[str]], np.ndarray],
    encode_texts: Callable[[list[str]], np.ndarray],
) -> dict[str, Retrieval]:
    """Measure retrieval among the pictures of a split with all captions, language by language.

    The figures alone of `measure_split`, with its arguments and errors.
    """
    results = measure_split(corpus, split, languages, encode_pictures, encode_texts)
    return {language: result.all.figures for language, result in results.items()}


def labelled(results: dict[str, LanguageResult]) -> dict[str, Retrieval]:
    """Give every row of the table its figures.

    Args:
        results: What was measured, by language.

    Returns:
        Figures by label: a language, which stands for all its captions; where parallel captions are only some of
        them, the language with ``(parallel)`` next to it.
    """
    labels: dict[str, Retrieval] = {}
    for language, result in results.items():
        labels[language] = result.all.figures
        if result.parallel and result.differ:
            labels[f"{language} (parallel)"] = result.parallel.figures
    return labels


def note(results: dict[str, LanguageResult]) -> str:
    """Say which languages have parallel captions alone; empty if no row needs it."""
    if not any(result.differ for result in results.values()):
        return ""
    alone = [language for language, result in results.items() if result.parallel is result.all]
    missing = [language for language, result in results.items() if result.parallel is None]
    sentences = ["A parallel caption says the same in every language; the other rows count all captions."]
    sentences += [f"All captions are parallel in {', '.join(alone)}."] if alone else []
    sentences += [f"None is in {', '.join(missing)}."] if missing else []
    return " ".join(sentences)


def rows(results: dict[str, Retrieval]) -> list[tuple[str, ...]]:
    """Format the figures, one row a language or label."""
    return [
        (
            label,
            *(
                f"{value:.1f}"
                for d in (figures.text_to_image, figures.image_to_text)
                for value in (d.r1, d.r5, d.r10, d.median_rank)
            ),
            f"{figures.sum_r:.1f}",
            str(figures.text_to_image.queries),
        )
        for label, figures in results.items()
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
