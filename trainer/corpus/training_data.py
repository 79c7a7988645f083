"""What the two stages of CL2CM train on, put together from a corpus.

Stage 1 sees sentence pairs. Stage 2 sees pictures with their source captions, and the translations of those captions:
a translation is found by the text of the caption, so no annotated pair of a picture and a target sentence is ever
used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainer.corpus.captioned_media import CaptionedMedia


@dataclass(frozen=True)
class SentencePair:
    """A sentence and its translation; ``group`` numbers the source sentence."""

    source: str
    target: str
    group: int


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture, one of its captions and a translation of that; ``group`` numbers the picture."""

    file: str
    source: str
    target: str
    group: int


@dataclass(frozen=True)
class TrainingData:
    """The data of both stages."""

    sentence_pairs: list[SentencePair]
    captioned_pictures: list[CaptionedPicture]

    @property
    def texts(self) -> list[str]:
        """Every different sentence, in order of appearance."""
        rows: list[SentencePair | CaptionedPicture] = [*self.sentence_pairs, *self.captioned_pictures]
        return list(dict.fromkeys(text for row in rows for text in (row.source, row.target)))


def assemble(
    corpus: CaptionedMedia,
    source_language: str,
    target_languages: Sequence[str],
    split: str,
    origins: Iterable[str] = (),
) -> TrainingData:
    """Collect what CL2CM may see of a corpus.

    Args:
        corpus: The corpus.
        source_language: Language of the captions that people wrote.
        target_languages: Languages to learn.
        split: The pictures to train on.
        origins: Use only sentence pairs of these origins (``human``, ``mt``, ...); all if empty.

    Returns:
        Sentence pairs of the languages, and the pictures of the split with every caption that has a translation.

    Raises:
        UserError: There are no pairs in a target language, or no caption of the split has a translation.
    """
    allowed = set(origins)
    pairs = [
        row
        for row in corpus.pairs.to_list()
        if row["source_language"] == source_language
        and row["target_language"] in target_languages
        and (not allowed or row["origin"] in allowed)
    ]
    for language in target_languages:
        if not any(row["target_language"] == language for row in pairs):
            raise UserError(
                f"{corpus.folder} has no sentence pairs {source_language}-{language}: put them into "
                f"pairs/{source_language}-{language}.tsv (columns source and target)."
            )
    pictures = _captioned_pictures(corpus, source_language, split, [(row["source"], row["target"]) for row in pairs])
    if not pictures:
        raise UserError(
            f"None of the {source_language} captions of the split {split!r} in {corpus.folder} has a translation in "
            "pairs/: the source sentences there must equal the captions."
        )
    groups = _numbered(row["source"] for row in pairs)
    return TrainingData([SentencePair(row["source"], row["target"], groups[row["source"]]) for row in pairs], pictures)


def _captioned_pictures(
    corpus: CaptionedMedia, language: str, split: str, pairs: list[tuple[str, str]]
) -> list[CaptionedPicture]:
    translations: dict[str, list[str]] = {}
    for source, target in pairs:
        translations.setdefault(source, []).append(target)
    files = corpus.files()
    captions = corpus.captions_in(language, corpus.media_ids(split))
    groups = _numbered(media_id for media_id, _ in captions)
    return [
        CaptionedPicture(files[media_id], caption, target, groups[media_id])
        for media_id, caption in captions
        for target in translations.get(caption, ())
    ]


def _numbered(keys: Iterable[str]) -> dict[str, int]:
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}
