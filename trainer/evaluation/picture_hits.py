"""What a run found, picture by picture: enough to compare runs later without their models, small enough to keep."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.errors import UserError
from trainer.evaluation.retrieval import CUTOFFS

if TYPE_CHECKING:
    from trainer.evaluation.retrieval import Ranks

# A byte a count keeps the file small.
_MOST_CAPTIONS = 255


@dataclass(frozen=True)
class PictureHits:
    """How often the queries of each picture of a gallery were answered, for k of `CUTOFFS`.

    Attributes:
        text_hits: Captions of the picture that found it among the first k, shape (n, 3).
        queries: Captions of the picture that asked, shape (n,).
        image_hits: 1 if the picture found one of its captions among the first k, else 0, shape (n, 3).
        asked: Name of the gallery and its queries, equal where two runs answered the same; may be empty.
    """

    text_hits: np.ndarray
    queries: np.ndarray
    image_hits: np.ndarray
    asked: str = ""

    @classmethod
    def of(cls, ranks: Ranks, asked: str = "") -> PictureHits:
        """Count the hits of a run.

        Args:
            ranks: How each query fared.
            asked: Name of the gallery and its queries.

        Returns:
            The counts, pictures in the order of the gallery.

        Raises:
            UserError: A picture has more captions than a byte can count.
        """
        queries = np.bincount(ranks.image_of_text, minlength=ranks.gallery)
        if queries.max() > _MOST_CAPTIONS:
            raise UserError(
                f"A picture has {queries.max()} captions in one language; evaluation takes {_MOST_CAPTIONS} at most. "
                "Choose among them with --queries."
            )
        found = [ranks.image_of_text[ranks.text_to_image <= k] for k in CUTOFFS]
        image_hits = np.zeros((ranks.gallery, len(CUTOFFS)), dtype=np.uint8)
        image_hits[ranks.described_images] = ranks.image_to_text[:, None] <= np.asarray(CUTOFFS)
        text_hits = np.stack([np.bincount(rows, minlength=ranks.gallery) for rows in found], axis=1)
        return cls(text_hits.astype(np.uint8), queries.astype(np.uint8), image_hits, asked)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain values for JSON: a byte a count, row after row, in base64."""
        # The cutoffs are nested, so their sum says which were hit.
        columns = {"text_hits": self.text_hits, "queries": self.queries, "image_hits": self.image_hits.sum(axis=1)}
        return {
            "asked": self.asked,
            "pictures": len(self.queries),
            **{name: b64encode(values.astype(np.uint8).tobytes()).decode() for name, values in columns.items()},
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PictureHits:
        """Read what `as_dict` wrote.

        Raises:
            UserError: The values are something else, or were cut short.
        """
        try:
            names = ("text_hits", "queries", "image_hits")
            text, queries, image = (np.frombuffer(b64decode(values[name]), dtype=np.uint8) for name in names)
            text_hits = text.reshape(values["pictures"], len(CUTOFFS))
            image_hits = image.reshape(values["pictures"], 1) > np.arange(len(CUTOFFS))[::-1]
            return cls(text_hits, queries.reshape(values["pictures"]), image_hits.astype(np.uint8), values["asked"])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"These are no hits picture by picture ({type(error).__name__}: {error}); evaluate the model again."
            ) from None
