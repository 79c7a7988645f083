"""What a search may aim at: retrieval on the dev cut, in one language or as mean of the targets, and speed."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Literal

import numpy as np

from tuning.task import SUM_R, TEXTS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.evaluation.retrieval import Retrieval

_DIRECTIONS = {"text_to_image": "text to image", "image_to_text": "image to text"}
_MEDIAN_RANK = "median_rank"
_OF_A_DIRECTION = {"r1": "R@1", "r5": "R@5", "r10": "R@10", _MEDIAN_RANK: "median rank"}
# Attributes of `trainer.evaluation.retrieval.Retrieval`, and how people call them.
_WORDS = {
    SUM_R: "SumR",
    **{
        f"{direction}.{figure}": f"{word} {words}"
        for direction, words in _DIRECTIONS.items()
        for figure, word in _OF_A_DIRECTION.items()
    },
}

FORM = (
    "sum_r, text_to_image.r1 (r5, r10, median_rank), image_to_text.r1 and so on, each with .<language> for one "
    "language alone, or texts_per_second"
)
"""How objectives are written."""


def is_known(objective: str) -> bool:
    """Whether there is such a figure; its language is not looked at."""
    return objective == TEXTS_PER_SECOND or _parts(objective)[0] in _WORDS


def language_of(objective: str) -> str | None:
    """The language that a figure is of; None where it is the mean over the target languages, or speed."""
    return _parts(objective)[1]


def lower_is_better(objective: str) -> bool:
    """Whether the best value is the lowest: that of a rank."""
    return _parts(objective)[0].endswith(_MEDIAN_RANK)


def direction(objective: str) -> Literal["minimize", "maximize"]:
    """Say which way Optuna is to go."""
    return "minimize" if lower_is_better(objective) else "maximize"


def worth(objective: str, value: float) -> float:
    """Turn a figure into one of which more is better."""
    return -value if lower_is_better(objective) else value


def words(objective: str) -> str:
    """Name a figure for people."""
    if objective == TEXTS_PER_SECOND:
        return "texts a second"
    figure, language = _parts(objective)
    return " ".join([_WORDS[figure], *([language] if language else [])])


def measured(objective: str, found: Mapping[str, Retrieval], targets: Sequence[str]) -> float:
    """Take a figure from what was measured.

    Args:
        objective: The figure; speed is not among what is measured here.
        found: What was measured by language.
        targets: The languages that a figure without one is the mean of.

    Returns:
        The figure; NaN where a language was not measured.
    """
    figure, language = _parts(objective)
    languages = targets if language is None else [language]
    return float(np.mean([attrgetter(figure)(found[one]) if one in found else np.nan for one in languages]))


def _parts(objective: str) -> tuple[str, str | None]:
    """Take a figure and its language apart."""
    if objective in _WORDS:
        return objective, None
    figure, dot, language = objective.rpartition(".")
    return (figure, language) if dot and figure in _WORDS else (objective, None)
