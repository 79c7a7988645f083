"""Search a split with the captions of each language, and keep how every query fared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cl2cm_plugin.errors import UserError
from trainer.digest import digest
from trainer.evaluation.picture_hits import PictureHits
from trainer.evaluation.retrieval import rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.evaluation.retrieval import Ranks, Retrieval


@dataclass(frozen=True)
class Measurement:
    """Captions of one language against the pictures of a split, query by query.

    Attributes:
        language: The language of the captions.
        media_ids: The gallery, n pictures.
        captions: The queries, m of them.
        images: Unit vectors of the gallery, shape (n, d).
        texts: Unit vectors of the captions, shape (m, d).
        ranks: How each query fared.
    """

    language: str
    media_ids: list[str]
    captions: list[str]
    images: np.ndarray
    texts: np.ndarray
    ranks: Ranks

    @property
    def figures(self) -> Retrieval:
        """R@k, median rank and SumR."""
        return self.ranks.figures

    @property
    def hits(self) -> PictureHits:
        """What was found, picture by picture, to compare with other runs."""
        owners = (self.media_ids[row] for row in self.ranks.image_of_text)
        queries = (f"{owner}\t{caption}" for owner, caption in zip(owners, self.captions, strict=True))
        return PictureHits.of(self.ranks, digest([*self.media_ids, *queries]))


@dataclass(frozen=True)
class LanguageResult:
    """What was measured in one language.

    Attributes:
        all: Every caption asked. In the direction from image to text they are what is searched, too.
        parallel: Only those captions that say the same in every language, asked and searched alone; the very object
            of ``all`` if there are no others, None if the language has none of them.
    """

    all: Measurement
    parallel: Measurement | None = None

    @property
    def differ(self) -> bool:
        """Whether the parallel captions are some, but not all of the captions."""
        return self.parallel is not None and self.parallel is not self.all


def measure_split(
    corpus: CaptionedMedia,
    split: str | None,
    languages: Sequence[str],
    encode_pictures: Callable[[list[str]], np.ndarray],
    encode_texts: Callable[[list[str]], np.ndarray],
    sources: Sequence[str] = (),
) -> dict[str, LanguageResult]:
    """Search among the pictures of a split, language by language.

    Args:
        corpus: Where the pictures and captions are.
        split: The gallery; all pictures if None. It stays whole, whatever the queries are.
        languages: Languages of the queries.
        encode_pictures: Returns unit vectors of picture files, shape (n, d).
        encode_texts: Returns unit vectors of texts, shape (n, d).
        sources: Only captions from these sources are queries; from all if empty.

    Returns:
        The results by language.

    Raises:
        UserError: There is no such split, or it has no such captions in one of the languages.
    """
    media_ids = corpus.media_ids(split)
    # Before anything is encoded: a mistake should not cost minutes.
    rows = {language: corpus.sourced_captions_in(language, media_ids, sources) for language in languages}
    for language, of_language in rows.items():
        if not of_language:
            raise UserError(
                f"Nothing to evaluate in {language!r}: {corpus.folder} has no such captions of the "
                f"{len(media_ids)} pictures of {f'split {split!r}' if split else 'the corpus'}."
            )
    files = corpus.files()
    images = encode_pictures([files[media_id] for media_id in media_ids])
    return {
        language: _measure(language, of_language, media_ids, images, encode_texts, corpus.parallel_source)
        for language, of_language in rows.items()
    }


def _measure(
    language: str,
    rows: list[tuple[str, str, str]],
    media_ids: list[str],
    images: np.ndarray,
    encode_texts: Callable[[list[str]], np.ndarray],
    parallel_source: str,
) -> LanguageResult:
    captions = [caption for _, caption, _ in rows]
    place = {media_id: row for row, media_id in enumerate(media_ids)}
    owner = np.asarray([place[media_id] for media_id, _, _ in rows])
    texts = encode_texts(captions)
    everything = Measurement(language, media_ids, captions, images, texts, rank(images, texts, owner))
    chosen = [row for row, (_, _, source) in enumerate(rows) if source and source == parallel_source]
    if len(chosen) in (0, len(rows)):
        return LanguageResult(everything, everything if chosen else None)
    few = [captions[row] for row in chosen]
    ranks = rank(images, texts[chosen], owner[chosen])
    return LanguageResult(everything, Measurement(language, media_ids, few, images, texts[chosen], ranks))
