"""Do long captions find their picture as well as short ones? R@10 by length of the caption."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trainer.evaluation.measurement import Measurement

CUTOFF = 10
_GROUPS = 5
# Their words are not set apart, so characters are counted: Tibetan, Dzongkha, Japanese, Khmer, Lao, Burmese, Thai, Wu
# Chinese, Cantonese, Chinese.
_WITHOUT_SPACES = frozenset({"bo", "dz", "ja", "km", "lo", "my", "th", "wuu", "yue", "zh"})


@dataclass(frozen=True)
class LengthGroup:
    """Captions of like length.

    Attributes:
        shortest: Length of the shortest, in the unit of the language.
        longest: Length of the longest.
        queries: How many there are.
        r10: Share in percent that found their picture among the first ten.
    """

    shortest: int
    longest: int
    queries: int
    r10: float


def unit(language: str) -> str:
    """Name what the length of a caption is counted in: ``words`` or ``characters``."""
    return "characters" if re.split("[-_]", language)[0].lower() in _WITHOUT_SPACES else "words"


def length(caption: str, language: str) -> int:
    """Count the words of a caption, or its characters where words are not set apart by spaces."""
    words = caption.split()
    return len("".join(words)) if unit(language) == "characters" else len(words)


def by_length(measurement: Measurement) -> list[LengthGroup]:
    """Measure R@10 from text to image for each fifth of the captions by length, the shortest first.

    Captions of one length stay together, so the groups differ in size, and there are fewer if few lengths occur.
    """
    lengths = np.asarray([length(caption, measurement.language) for caption in measurement.captions])
    found = measurement.ranks.text_to_image <= CUTOFF
    edges = np.quantile(lengths, np.arange(1, _GROUPS) / _GROUPS)
    group_of = np.searchsorted(np.unique(edges), lengths)
    groups = [group_of == number for number in np.unique(group_of)]
    return [
        LengthGroup(
            int(lengths[group].min()), int(lengths[group].max()), int(group.sum()), 100 * float(found[group].mean())
        )
        for group in groups
    ]
