"""The sentences from which a model learns a further language, and those that keep what it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table
from trainer.corpus.training_data import SentencePair
from trainer.translation.pair_table import PairTable, fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trainer.corpus import CaptionedMedia
    from trainer.translation import Translator

_TRAIN = "train"


@dataclass(frozen=True)
class LanguageTexts:
    """Sentences alone; no table that is read for them says which picture a translation describes.

    Attributes:
        pairs: Source sentences and their translations into the new languages.
        known: Further sentences of the languages that the model has, without repetition.
        described: One line for the model card.
        licence: What the sentences may be used for; empty if nothing says.
    """

    pairs: list[SentencePair]
    known: list[str] = field(default_factory=list)
    described: str = ""
    licence: str = ""

    @property
    def sources(self) -> list[str]:
        """The source sentences, without repetition."""
        return list(dict.fromkeys(pair.source for pair in self.pairs))

    @property
    def targets(self) -> list[str]:
        """The translations, without repetition."""
        return list(dict.fromkeys(pair.target for pair in self.pairs))


def from_corpus(
    corpus: CaptionedMedia,
    source_language: str,
    languages: Sequence[str],
    known_languages: Sequence[str],
    split: str | None = None,
) -> LanguageTexts:
    """Take the sentence pairs of a corpus, and what else it has in the languages that the model knows.

    The sentences to keep are those of the pairs between known languages and the captions in the source language. As in
    training, captions that people wrote in another language are left to tests.

    Args:
        corpus: Captioned media with ``pairs/<source>-<language>.tsv``.
        source_language: Language of the source sentences.
        languages: The languages to add.
        known_languages: The languages that the model has.
        split: Captions come from this split alone; by default from ``train`` where the corpus has it, else from all.

    Returns:
        The sentences.

    Raises:
        UserError: The corpus has no pairs of a language, or no such split.
    """
    rows = [row for row in corpus.pairs.to_list() if row["source_language"] == source_language]
    pairs: list[tuple[str, str]] = []
    for language in languages:
        found = [(row["source"], row["target"]) for row in rows if row["target_language"] == language]
        if not found:
            raise UserError(
                f"{corpus.folder} has no sentence pairs {source_language}-{language}: put them into "
                f"pairs/{source_language}-{language}.tsv (columns source and target), or have its captions translated "
                f"with --captions {corpus.folder} instead of --data."
            )
        pairs += found
    known = [
        text for row in rows if row["target_language"] in known_languages for text in (row["source"], row["target"])
    ]
    known += captions_of(corpus, source_language, split) if source_language in corpus.languages else []
    described = f"{corpus.name}, {len(pairs)} sentence pairs"
    return _texts(pairs, known, described, corpus.licence)


def from_table(file: Path) -> LanguageTexts:
    """Read sentence pairs from a table with the columns ``source`` and ``target``.

    Raises:
        UserError: There is no such table, or it lacks a column or every line.
    """
    pairs = list(read_table(file, ("source", "target")))
    if not pairs:
        raise UserError(f"{file} holds no sentence pairs below its first line.")
    return _texts([(source, target) for source, target in pairs], [], f"{file.name}, {len(pairs)} sentence pairs", "")


def from_captions(
    captions: Sequence[str],
    translators: dict[str, Translator],
    tables: dict[str, Path],
    described: str,
    licence: str = "",
) -> LanguageTexts:
    """Translate captions by machine; what a table has from an earlier run is not translated again.

    Args:
        captions: Sentences of the source language.
        translators: What translates into each language to add.
        tables: Where the pairs of each language are kept.
        described: Names the captions.
        licence: What the captions may be used for.

    Returns:
        The sentences.

    Raises:
        UserError: Nothing came back.
    """
    wanted, pairs = set(captions), []
    for language, translator in translators.items():
        table = PairTable(tables[language])
        fill(table, captions, translator, f"Translating to {language}")
        rows = read_table(table.file, ("source", "target")) if table.file.exists() else iter(())
        found = [(source, target) for source, target in rows if source in wanted]
        if not found:
            raise UserError(f"None of the {len(wanted)} captions came back translated to {language!r}.")
        pairs += found
    names = " and ".join(dict.fromkeys(translator.name for translator in translators.values()))
    described = f"{described}, {len(pairs)} sentences translated by {names}"
    return _texts(pairs, captions, described, licence)


def captions_of(corpus: CaptionedMedia, language: str, split: str | None = None) -> list[str]:
    """List the captions of a corpus in one language, without repetition.

    Args:
        corpus: Captioned media.
        language: The language.
        split: Captions of this split alone; by default of ``train`` where the corpus has it, else all: those of other
            splits are for tests.

    Returns:
        Captions in the order of the table.

    Raises:
        UserError: The corpus has no captions in that language, or no such split.
    """
    media_ids = corpus.media_ids(split or (_TRAIN if _TRAIN in corpus.splits else None))
    return list(dict.fromkeys(caption for _, caption in corpus.captions_in(language, media_ids)))


def captions_in_file(file: Path) -> list[str]:
    """Read captions from a text file, one a line, or from a table with the column ``caption``.

    Raises:
        UserError: There is no such file, or it holds no captions.
    """
    if not file.is_file():
        raise UserError(f"There is no {file}: --captions wants a folder of captioned media, a .tsv or a .txt file.")
    if ".tsv" in file.suffixes:
        lines = [caption for (caption,) in read_table(file, ("caption",))]
    else:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    captions = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not captions:
        raise UserError(f"{file} holds no captions: wanted one a line, or a table with the column caption.")
    return captions


def _texts(pairs: Iterable[tuple[str, str]], known: Iterable[str], described: str, licence: str) -> LanguageTexts:
    filled = list(dict.fromkeys((source, target) for source, target in pairs if source.strip() and target.strip()))
    groups = {source: number for number, source in enumerate(dict.fromkeys(source for source, _ in filled))}
    numbered = [SentencePair(source, target, groups[source]) for source, target in filled]
    further = [text for text in dict.fromkeys(known) if text.strip() and text not in groups]
    return LanguageTexts(numbered, further, described, licence)
