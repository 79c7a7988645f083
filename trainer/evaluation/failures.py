"""The captions that a model fails on worst, and what it shows instead."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.contact_sheet import Hit, Row, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.evaluation.measurement import Measurement

_WORST = 20
_INSTEAD = 5


@dataclass(frozen=True)
class Failure:
    """A caption that did not find its picture first.

    Attributes:
        caption: The query.
        media_id: Its picture.
        rank: The rank of that picture, from 1.
        found: Media ids of pictures that were ranked before it, the best first; five at most.
    """

    caption: str
    media_id: str
    rank: int
    found: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def worst(measurement: Measurement, count: int = _WORST) -> list[Failure]:
    """Choose the queries from text to image whose picture has the largest rank, at most one a picture.

    Args:
        measurement: How the captions fared.
        count: How many to choose.

    Returns:
        The worst first; fewer if fewer pictures were missed.
    """
    ranks, owner = measurement.ranks.text_to_image, measurement.ranks.image_of_text
    chosen: dict[int, int] = {}
    for query in np.argsort(-ranks, kind="stable"):
        if len(chosen) == count or ranks[query] == 1:
            break
        chosen.setdefault(int(owner[query]), int(query))
    return [_failure(measurement, query) for query in chosen.values()]


def _failure(measurement: Measurement, query: int) -> Failure:
    rank, right = int(measurement.ranks.text_to_image[query]), int(measurement.ranks.image_of_text[query])
    order = np.argsort(-(measurement.images @ measurement.texts[query]), kind="stable")
    before = order[order != right][: min(_INSTEAD, rank - 1)]
    names = measurement.media_ids
    return Failure(measurement.captions[query], names[right], rank, [names[row] for row in before])


def draw_failures(failures: Sequence[Failure], corpus: CaptionedMedia, title: str, gallery: int, file: Path) -> None:
    """Draw each query with its own picture, framed, and those that were found instead.

    Args:
        failures: What to show, at least one.
        corpus: Where the pictures are, and what has to stand below them.
        title: The heading.
        gallery: Number of pictures that were searched.
        file: The PNG to write.
    """
    files = corpus.files()
    rows = [
        Row(
            failure.caption,
            f"its picture came at rank {failure.rank} of {gallery}",
            [
                Hit(Path(files[failure.media_id]), failure.media_id, right=True),
                *(Hit(Path(files[media_id]), media_id) for media_id in failure.found),
            ],
        )
        for failure in failures
    ]
    draw(rows, title, corpus.attribution or corpus.licence, file)
