"""What the two stages of CL2CM train on, put together from a corpus.

Stage 1 sees sentence pairs. Stage 2 sees pictures with their source captions, and the translations of those captions:
a translation is found by the text of the caption, so no annotated pair of a picture and a target sentence is ever
used, unless a recipe asks for the supervised upper bound.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.errors import UserError
from trainer.corpus.captioned_media import WEAK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.corpus.pair_filter import DoubtfulPairs


@dataclass(frozen=True)
class SentencePair:
    """A sentence and its translation; ``group`` numbers the source sentence."""

    source: str
    target: str
    group: int


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture, one of its source captions, and a caption in a target language; ``group`` numbers the picture.

    One of the two captions may be absent: a source caption that nobody translated, or, for the supervised upper
    bound alone, a target caption that somebody wrote from the picture.
    """

    file: str
    source: str | None
    target: str | None
    group: int


@dataclass(frozen=True)
class DevSet:
    """Pictures that training does not see, to choose and to stop by.

    Attributes:
        files: The pictures.
        captions: For each language the captions: the row of the picture in ``files``, and the text. Those of target
            languages are translations, never what people wrote from the picture.
        pairs: For each target language the pairs of a source caption and its translation.
    """

    files: list[str] = field(default_factory=list)
    captions: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    pairs: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """Every caption and translation, repeated ones as often as they come."""
        return [text for captions in self.captions.values() for _, text in captions]


@dataclass(frozen=True)
class TrainingData:
    """The data of both stages, and what both are kept from: the dev cut, and pairs that a filter takes for wrong."""

    sentence_pairs: list[SentencePair]
    captioned_pictures: list[CaptionedPicture]
    dev: DevSet = field(default_factory=DevSet)
    doubtful_pairs: list[DoubtfulPairs] = field(default_factory=list)

    @property
    def kept_captions(self) -> list[SentencePair]:
        """Source captions of the pictures as translations of themselves; each picture is a group after the pairs'."""
        first = 1 + max((pair.group for pair in self.sentence_pairs), default=-1)
        captions = dict.fromkeys((row.source, row.group) for row in self.captioned_pictures if row.source is not None)
        return [SentencePair(caption, caption, first + group) for caption, group in captions]

    @property
    def texts(self) -> list[str]:
        """Every different sentence, in order of appearance."""
        rows: list[SentencePair | CaptionedPicture] = [*self.sentence_pairs, *self.captioned_pictures]
        trained = [text for row in rows for text in (row.source, row.target) if text is not None]
        return list(dict.fromkeys([*trained, *self.dev.texts]))


def assemble(
    corpus: CaptionedMedia,
    source_language: str,
    target_languages: Sequence[str],
    split: str,
    origins: Iterable[str] = (),
    *,
    dev_pictures: int = 0,
    untranslated: bool = False,
    supervised: bool = False,
    same_picture: bool = False,
    sentences: int | None = None,
) -> TrainingData:
    """Collect what CL2CM may see of a corpus.

    Args:
        corpus: The corpus.
        source_language: Language of the captions that people wrote.
        target_languages: Languages to learn.
        split: The pictures to train on.
        origins: Use only sentence pairs of these origins (``human``, ``mt``, ...); all but ``weak`` if empty.
        dev_pictures: This many pictures of the split, chosen by their ids, are kept back with all their captions.
        untranslated: Whether source captions without a translation take part; a picture's captions and translations
            are then paired in turns.
        supervised: Whether captions that people wrote in the target languages are listed with the pictures: the upper
            bound, which is no longer CL2CM's setting.
        same_picture: Whether pairs of two source sentences on one picture are pairs of stage 1 as well.
        sentences: Stage 1 takes at most this many source sentences, chosen by their text; stage 2 still finds the
            translations of all captions.

    Returns:
        Sentence pairs of the languages, and the pictures of the split with every caption that has a translation.

    Raises:
        UserError: There are no pairs in a target language, or no caption of the split has a translation.
    """
    pairs = _pairs(corpus, source_language, target_languages, set(origins), same_picture)
    translations = _translations(pairs, source_language)
    media_ids = corpus.media_ids(split)
    dev_ids = set(sorted(media_ids, key=_drawn)[:dev_pictures])
    captions = corpus.captions_in(source_language, media_ids)
    dev = _dev_set(corpus, source_language, [row for row in captions if row[0] in dev_ids], translations)
    seen = {caption for _, caption in dev.captions.get(source_language, [])}
    pairs = [row for row in pairs if row["source"] not in seen]

    written = [row for row in captions if row[0] not in dev_ids]
    rows = _captioned(written, translations, untranslated or not target_languages)
    if supervised:
        rows += [
            (media_id, None, caption)
            for language in target_languages
            for media_id, caption in corpus.captions_in(language, set(media_ids) - dev_ids)
        ]
    if dev_ids and not written:
        raise UserError(
            f"dev_pictures keeps all {len(dev_ids)} pictures of the split {split!r} in {corpus.folder} back: lower it "
            "in the recipe."
        )
    if not rows:
        raise UserError(
            f"None of the {source_language} captions of the split {split!r} in {corpus.folder} has a translation in "
            "pairs/: the source sentences there must equal the captions."
        )
    files, groups = corpus.files(), _numbered(media_id for media_id, _ in captions)
    chosen = set(sorted({row["source"] for row in pairs}, key=_drawn)[:sentences])
    pairs = [row for row in pairs if row["source"] in chosen]
    sources = _numbered(row["source"] for row in pairs)
    return TrainingData(
        [SentencePair(row["source"], row["target"], sources[row["source"]]) for row in pairs],
        [CaptionedPicture(files[media_id], source, target, groups[media_id]) for media_id, source, target in rows],
        dev,
    )


def takes(
    row: dict[str, Any], source_language: str, target_languages: Collection[str], origins: Collection[str]
) -> bool:
    """Tell whether a row of sentence pairs is one that training takes.

    Args:
        row: A row of a corpus's pairs.
        source_language: Language of the captions that people wrote.
        target_languages: Languages to learn.
        origins: Use only pairs of these origins; all but ``weak`` if empty.
    """
    wanted = row["origin"] in origins if origins else row["origin"] != WEAK
    return wanted and row["source_language"] == source_language and row["target_language"] in target_languages


def _pairs(
    corpus: CaptionedMedia,
    source_language: str,
    target_languages: Sequence[str],
    origins: set[str],
    same_picture: bool,
) -> list[dict[str, Any]]:
    rows = [row for row in corpus.pairs.to_list() if row["source_language"] == source_language]
    pairs = [row for row in rows if takes(row, source_language, target_languages, origins)]
    for language in target_languages:
        if not any(row["target_language"] == language for row in pairs):
            others = sorted({row["origin"] or "none" for row in rows if row["target_language"] == language})
            if others:
                raise UserError(
                    f"{corpus.folder} has sentence pairs {source_language}-{language} of the origins "
                    f"{', '.join(others)} alone, and the recipe takes {', '.join(sorted(origins)) or 'all but weak'}: "
                    "change its line origins."
                )
            raise UserError(
                f"{corpus.folder} has no sentence pairs {source_language}-{language}: put them into "
                f"pairs/{source_language}-{language}.tsv (columns source and target)."
            )
    return pairs + [row for row in rows if same_picture and row["target_language"] == source_language]


def _translations(pairs: list[dict[str, Any]], source_language: str) -> dict[str, list[tuple[str, str]]]:
    """The translations of each source sentence: language and text; a weak pair has no translation."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in pairs:
        if row["target_language"] != source_language and row["origin"] != WEAK:
            found.setdefault(row["source"], []).append((row["target_language"], row["target"]))
    return found


def _captioned(
    captions: list[tuple[str, str]], translations: dict[str, list[tuple[str, str]]], untranslated: bool
) -> list[tuple[str, str | None, str | None]]:
    """Rows of a picture, a source caption and a translation, picture by picture.

    Where captions without a translation take part, captions and translations of a picture are paired anew in turns,
    so that each of its captions comes as often as any other: a picture with five captions, one of them translated into
    four languages, would otherwise show that one in every second row.
    """
    of_picture: dict[str, list[str]] = {}
    for media_id, caption in captions:
        of_picture.setdefault(media_id, []).append(caption)
    rows: list[tuple[str, str | None, str | None]] = []
    for media_id, known in of_picture.items():
        pairs = [(caption, target) for caption in known for _, target in translations.get(caption, ())]
        if untranslated and len({caption for caption, _ in pairs}) < len(set(known)):
            targets: list[str | None] = [target for _, target in pairs] or [None]
            turns = math.lcm(len(known), len(targets))
            rows += [(media_id, known[k % len(known)], targets[k % len(targets)]) for k in range(turns)]
        else:
            rows += [(media_id, caption, target) for caption, target in pairs]
    return rows


def _dev_set(
    corpus: CaptionedMedia,
    source_language: str,
    captions: list[tuple[str, str]],
    translations: dict[str, list[tuple[str, str]]],
) -> DevSet:
    files, dev = corpus.files(), DevSet()
    row_of = _numbered(media_id for media_id, _ in captions)
    dev.files.extend(files[media_id] for media_id in row_of)
    for media_id, caption in captions:
        dev.captions.setdefault(source_language, []).append((row_of[media_id], caption))
        for language, target in translations.get(caption, ()):
            dev.captions.setdefault(language, []).append((row_of[media_id], target))
            dev.pairs.setdefault(language, []).append((caption, target))
    return dev


def _drawn(name: str) -> str:
    """A place in an order that has nothing to do with the names, and never changes."""
    return hashlib.sha256(name.encode()).hexdigest()


def _numbered(keys: Iterable[str]) -> dict[str, int]:
    return {key: number for number, key in enumerate(dict.fromkeys(keys))}
