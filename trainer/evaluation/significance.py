"""Is one system better than another, or was it luck with the test pictures? A paired bootstrap answers.

The test set is drawn again and again from itself, with replacement, and both systems are measured on each draw; the
spread of their difference is the uncertainty that comes from the choice of test pictures (paired bootstrap resampling:
Koehn, Statistical Significance Tests for Machine Translation Evaluation, EMNLP 2004; intervals by percentiles: Efron
and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

Pictures are drawn, each with all its captions, because the captions of one picture are not independent. What a query
found stays as it was in the whole gallery: a draw counts hits again, and searches nothing again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cl2cm_plugin.errors import UserError
from trainer.evaluation.retrieval import CUTOFFS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.evaluation.picture_hits import PictureHits

SUM_R = "sum_r"
# In the order of the columns: three of text to image, then three of image to text.
RECALLS = tuple(f"{direction}_r{k}" for direction in ("text_to_image", "image_to_text") for k in CUTOFFS)
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A difference in percentage points, and its 95 % interval; a difference is significant if 0 lies outside."""

    difference: float
    low: float
    high: float


def compare(
    a: Sequence[PictureHits], b: Sequence[PictureHits], figure: str = SUM_R, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Compare two systems by a paired bootstrap over the pictures of the gallery.

    Every resample draws as many pictures with a caption as there are, with replacement, the same for both systems,
    and takes the mean of the figure over the runs of ``a`` minus that over the runs of ``b``. The interval reaches
    from the 2.5th to the 97.5th percentile of these differences. It speaks of other test pictures for these very
    runs: how much a further seed would change is not in it.

    Args:
        a: The runs of one system, one a seed.
        b: The runs of the other, on the same pictures and captions.
        figure: `SUM_R`, or one of `RECALLS`.
        resamples: Number of draws.
        seed: Seed of the draws.

    Returns:
        The difference ``a - b`` on the test set itself, and its 95 % interval.

    Raises:
        UserError: The runs did not answer the same queries, there is none, or the figure is unknown.
    """
    chosen = _columns(figure)
    if not a or not b:
        raise UserError("Nothing to compare: each system needs at least one run.")
    _check_same_queries([*a, *b])
    asking = a[0].queries > 0
    # Figures are linear in the hits, so the mean over runs can be taken before the draws.
    hits = (_mean_hits(a) - _mean_hits(b))[asking]
    queries = np.stack([a[0].queries[asking], np.ones(asking.sum())], axis=1)
    random = np.random.default_rng(seed)
    pictures = len(hits)
    differences = np.empty(resamples)
    for number in range(resamples):
        times = np.bincount(random.integers(pictures, size=pictures), minlength=pictures)
        differences[number] = _figure(times, hits, queries, chosen)
    low, high = np.percentile(differences, _PERCENTILES)
    return Interval(_figure(np.ones(pictures), hits, queries, chosen), float(low), float(high))


def _figure(times: np.ndarray, hits: np.ndarray, queries: np.ndarray, chosen: np.ndarray) -> float:
    """Sum some R@k in percent, each picture counted a number of times."""
    shares = (times @ hits) / np.repeat(times @ queries, len(CUTOFFS))
    return float(100 * shares @ chosen)


def _mean_hits(runs: Sequence[PictureHits]) -> np.ndarray:
    """Hits in both directions, mean over runs, shape (n, 6)."""
    hits = [np.concatenate([run.text_hits, run.image_hits], axis=1, dtype=np.float64) for run in runs]
    return np.mean(hits, axis=0)


def _columns(figure: str) -> np.ndarray:
    if figure == SUM_R:
        return np.ones(len(RECALLS))
    if figure not in RECALLS:
        raise UserError(f"There is no figure {figure!r} to compare; wanted {SUM_R}, {', '.join(RECALLS)}.")
    return np.asarray([float(name == figure) for name in RECALLS])


def _check_same_queries(runs: Sequence[PictureHits]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.asked != first.asked or not np.array_equal(run.queries, first.queries):
            raise UserError(
                "The runs were not asked the same: pictures or captions differ. Evaluate both systems on the same "
                "split, language and queries."
            )
    if not first.queries.any():
        raise UserError("Nothing to compare: no picture has a caption.")
