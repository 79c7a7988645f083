"""Pictures and captions of a corpus that an export is calibrated on and measured with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.export.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainer.corpus.captioned_media import CaptionedMedia

_GALLERY, _CALIBRATION = 500, 200
_FEWEST = 3


def samples(corpus: CaptionedMedia, split: str | None, languages: Sequence[str]) -> Samples:
    """Choose pictures by their ids, so that the same corpus always gives the same ones.

    Args:
        corpus: The corpus.
        split: The pictures that are searched are from here; all if None.
        languages: Languages of the captions; those that the corpus has.

    Returns:
        At most 500 pictures with their captions, and at most 200 others to calibrate on.

    Raises:
        UserError: There are too few pictures, or no captions in these languages.
    """
    files = corpus.files()
    gallery = _chosen(corpus.media_ids(split), _GALLERY)
    others = _chosen(set(files) - set(gallery), _CALIBRATION)
    if len(others) < _FEWEST:
        # A small corpus: half to search, half to calibrate on.
        gallery, others = gallery[::2], gallery[1::2]
    if len(others) < _FEWEST:
        raise UserError(f"{corpus.folder} has {len(files)} pictures; 8 bits need at least {2 * _FEWEST}.")
    rows = {media_id: row for row, media_id in enumerate(gallery)}
    captions = [
        (caption, rows[media_id])
        for language in sorted(set(languages) & set(corpus.languages))
        for media_id, caption in corpus.captions_in(language, gallery)
    ]
    if not captions:
        raise UserError(f"{corpus.folder} has no captions in {', '.join(languages)} for its pictures.")
    return Samples(
        calibration=[Path(files[media_id]) for media_id in others],
        gallery=[Path(files[media_id]) for media_id in gallery],
        captions=[caption for caption, _ in captions],
        picture_of_caption=[row for _, row in captions],
    )


def _chosen(media_ids: Iterable[str], count: int) -> list[str]:
    return sorted(media_ids, key=lambda media_id: hashlib.sha256(media_id.encode()).hexdigest())[:count]
