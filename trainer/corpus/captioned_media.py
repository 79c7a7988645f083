"""The captioned-media format: a folder of media with caption tables per language, and sentence pairs.

    media/<media_id>.<png, mp4, ...>      pictures and clips
    captions/<language>.tsv               media_id, caption[, source]
    pairs/<source>-<target>.tsv           source, target[, origin]: a sentence and its translation
    splits/<name>.txt                     one media id a line
    corpus.yaml                           name, licence, attribution, parallel_source

Everything but ``media/`` and one caption table may be absent. A translation belongs to the captions that equal its
source sentence, so no table ever says which picture a translated sentence describes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from datasets import Dataset, Features, Image, Value

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

WEAK = "weak"
"""Origin of pairs of sentences on one picture: related, but no translations of each other."""

# One line of a table.
Row = tuple[str, ...]

_TEXT = Value("string")
_MEDIA = Features({"media_id": _TEXT, "image": Image(decode=False)})
_CAPTIONS = Features({"media_id": _TEXT, "language": _TEXT, "caption": _TEXT, "source": _TEXT})
_PAIRS = Features(
    {"source_language": _TEXT, "target_language": _TEXT, "source": _TEXT, "target": _TEXT, "origin": _TEXT}
)


@dataclass(frozen=True)
class CaptionedMedia:
    """A corpus in memory; pictures and clips stay files until they are opened.

    Attributes:
        name: A short name.
        folder: Where it was read from.
        media: Columns ``media_id`` and ``image`` (not decoded: a path).
        captions: Columns ``media_id``, ``language``, ``caption``, ``source`` (who wrote it, may be empty).
        pairs: Columns ``source_language``, ``target_language``, ``source``, ``target``, ``origin``.
        splits: Media ids by name of the split.
        licence: A sentence or an SPDX identifier; empty if the folder does not say.
        attribution: What has to stand wherever a picture is shown; empty if nothing.
        parallel_source: The ``source`` of captions that say the same of a picture in every language, so that figures
            of languages can be compared; empty if there are none.
    """

    name: str
    folder: Path
    media: Dataset
    captions: Dataset
    pairs: Dataset
    splits: dict[str, list[str]]
    licence: str = ""
    attribution: str = ""
    parallel_source: str = ""

    @property
    def languages(self) -> list[str]:
        """The languages that have captions, sorted."""
        return sorted(set(self.captions["language"][:]))

    def media_ids(self, split: str | None = None) -> list[str]:
        """List the media of a split, or all of them.

        Args:
            split: The name of a split.

        Returns:
            Media ids in the order of the split's file, or of the media.

        Raises:
            UserError: There is no such split.
        """
        if split is None:
            return self.media["media_id"][:]
        if split not in self.splits:
            raise UserError(
                f"{self.folder} has no split {split!r}: found {', '.join(sorted(self.splits)) or 'no splits/'}."
            )
        return self.splits[split]

    def files(self) -> dict[str, str]:
        """Map each media id to its file."""
        paths = (image["path"] for image in self.media["image"][:])
        return dict(zip(self.media["media_id"][:], paths, strict=True))

    def captioned_languages(self, languages: Iterable[str], split: str | None = None) -> list[str]:
        """Pick the languages in which pictures of a split have captions: a target language often has none at all."""
        media_ids, known = self.media_ids(split), set(self.languages)
        return [language for language in languages if language in known and self.captions_in(language, media_ids)]

    def captions_in(
        self, language: str, media_ids: Iterable[str], sources: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        """List the captions of some media in one language.

        Args:
            language: A language code.
            media_ids: The media wanted.
            sources: Only captions from these sources; from all if empty.

        Returns:
            Pairs of media id and caption, in the order of the table.

        Raises:
            UserError: The corpus has no captions in that language, or none from these sources.
        """
        rows = self.sourced_captions_in(language, media_ids, sources)
        return [(media_id, caption) for media_id, caption, _ in rows]

    def sourced_captions_in(
        self, language: str, media_ids: Iterable[str], sources: Sequence[str] = ()
    ) -> list[tuple[str, str, str]]:
        """List captions as `captions_in` does, each with its source: media id, caption, source."""
        if language not in self.languages:
            raise UserError(
                f"{self.folder} has no captions in {language!r}: found {', '.join(self.languages) or 'none'}."
            )
        wanted = set(media_ids)
        columns = (self.captions[name][:] for name in ("language", "media_id", "caption", "source"))
        rows = [row for of, *row in zip(*columns, strict=True) if of == language]
        known = {source for _, _, source in rows}
        if sources and not known & set(sources):
            raise UserError(
                f"{self.folder} has no captions in {language!r} from {' or '.join(sources)}: "
                f"found {', '.join(sorted(filter(None, known))) or 'no column source'}."
            )
        return [
            (owner, caption, source)
            for owner, caption, source in rows
            if owner in wanted and (not sources or source in sources)
        ]


def recognises(folder: Path) -> bool:
    """Tell whether a folder looks like captioned media."""
    return (folder / "media").is_dir() and (folder / "captions").is_dir()


def read(folder: Path) -> CaptionedMedia:
    """Read a captioned-media folder.

    Args:
        folder: A folder in the format that this module describes.

    Returns:
        The corpus.

    Raises:
        UserError: A table lacks a column, names a medium that is not there, or a split is unknown to the media.
    """
    media = [(path.relative_to(folder / "media").with_suffix("").as_posix(), str(path)) for path in _media(folder)]
    known = {media_id for media_id, _ in media}
    if len(known) < len(media):
        twice = next(name for name, count in Counter(media_id for media_id, _ in media).items() if count > 1)
        raise UserError(f"{folder / 'media'} has several files for the media id {twice!r}; keep one of them.")
    captions = [row for file in sorted((folder / "captions").glob("*.tsv")) for row in _captions(file, known)]
    pairs = [row for file in sorted((folder / "pairs").glob("*.tsv")) for row in _pairs(file)]
    splits = {file.stem: read_split(file, known) for file in sorted((folder / "splits").glob("*.txt"))}
    facts = read_facts(folder / "corpus.yaml")
    return assemble(
        facts.get("name", folder.name),
        folder,
        media,
        captions,
        pairs,
        splits,
        licence=facts.get("licence", ""),
        attribution=facts.get("attribution", ""),
        parallel_source=facts.get("parallel_source", ""),
    )


def assemble(
    name: str,
    folder: Path,
    media: Sequence[Row],
    captions: Sequence[Row],
    pairs: Sequence[Row],
    splits: dict[str, list[str]],
    licence: str = "",
    attribution: str = "",
    parallel_source: str = "",
) -> CaptionedMedia:
    """Put rows together into a corpus.

    Args:
        name: A short name.
        folder: Where the rows come from.
        media: Media id and file.
        captions: Media id, language, caption, source.
        pairs: Source language, target language, source sentence, target sentence, origin.
        splits: Media ids by name of the split.
        licence: What the media may be used for.
        attribution: What has to stand wherever a picture is shown.
        parallel_source: The source of captions that say the same in every language.

    Returns:
        The corpus.
    """
    images = [(media_id, {"path": file, "bytes": None}) for media_id, file in media]
    return CaptionedMedia(
        name,
        folder,
        _dataset(images, _MEDIA),
        _dataset(captions, _CAPTIONS),
        _dataset(pairs, _PAIRS),
        splits,
        licence,
        attribution,
        parallel_source,
    )


def _dataset(rows: Sequence[tuple[Any, ...]], features: Features) -> Dataset:
    columns = zip(*rows, strict=True) if rows else ([] for _ in features)
    return Dataset.from_dict(dict(zip(features, map(list, columns), strict=True)), features=features)


def _media(folder: Path) -> list[Path]:
    files = sorted(path for path in (folder / "media").rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise UserError(f"{folder / 'media'} holds no pictures and no clips.")
    return files


def _captions(file: Path, known: set[str]) -> list[Row]:
    rows: list[Row] = []
    for media_id, caption, source in read_table(file, ("media_id", "caption"), ("source",)):
        if media_id not in known:
            raise UserError(f"{file} has a caption for {media_id!r}, but media/ holds no file of that name.")
        if caption.strip():
            rows.append((media_id, file.stem, caption, source))
    return rows


def _pairs(file: Path) -> list[Row]:
    source_language, dash, target_language = file.stem.partition("-")
    if not dash:
        raise UserError(f"{file} should be named <source>-<target>.tsv, for example en-de.tsv.")
    table = read_table(file, ("source", "target"), ("origin",))
    return [
        (source_language, target_language, source, target, origin)
        for source, target, origin in table
        if source.strip() and target.strip()
    ]


def read_split(file: Path, known: set[str]) -> list[str]:
    """Read a split: one media id a line.

    Args:
        file: The split's file.
        known: The media that there are.

    Returns:
        Media ids in the order of the file, each once.

    Raises:
        UserError: The file names a medium that is not there.
    """
    lines = (line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines())
    media_ids = list(dict.fromkeys(line for line in lines if line))
    unknown = [media_id for media_id in media_ids if media_id not in known]
    if unknown:
        raise UserError(f"{file} names {unknown[0]!r} ({len(unknown)} such lines), but media/ holds no such file.")
    return media_ids


def read_facts(file: Path) -> dict[str, str]:
    """Read what a corpus says of itself in ``corpus.yaml``; empty if the file is not there.

    Raises:
        UserError: It is not YAML, or has no lines of names and values.
    """
    if not file.is_file():
        return {}
    try:
        facts = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not YAML: {error}") from None
    if not isinstance(facts, dict):
        raise UserError(f"{file} has no lines like `name: my archive`.")
    return facts
