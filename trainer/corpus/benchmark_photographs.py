"""Reader for the benchmark photographs: Flickr8k pictures with captions in six languages, for research only.

Sentence pairs are the ``m30k-parallel`` rows of the training pictures and the parallel sentences without a photograph
(origin ``human``), the machine translations (``mt``), English captions of one training picture (``same-picture``), and
English with Chinese captions of one training picture (``weak``: related, no translations; stage 1 alone may see
them). Other captions that people wrote from the pictures in other languages than English are read as captions, for
evaluation and for the supervised upper bound, never as sentence pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table
from trainer.corpus.captioned_media import WEAK, CaptionedMedia, assemble, read_split

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpus.captioned_media import Row

LICENCE = "Photographs from Flickr and their captions: non-commercial research and education only."
SOURCE_LANGUAGE = "en"
PARALLEL_LANGUAGES = ("de", "fr", "cs", "pt")
SAME_PICTURE = "same-picture"
_PARALLEL = "m30k-parallel"


def recognises(folder: Path) -> bool:
    """Tell whether a folder is a copy of the benchmark photographs."""
    return (folder / "images.tsv").is_file() and (folder / "captions" / "train.en.tsv").is_file()


def read(folder: Path) -> CaptionedMedia:
    """Read the benchmark photographs.

    Args:
        folder: The copy, with ``images/``, ``captions/``, ``captions-mt/``, ``splits/`` and ``text/``.

    Returns:
        The corpus; splits ``train``, ``val`` and, with captions in all six languages, ``train-6lang``, ``val-6lang``.

    Raises:
        UserError: A table is missing or lacks a column.
    """
    media = [(media_id, str(folder / "images" / f"{media_id}.jpg")) for (media_id,) in _images(folder)]
    captions: list[Row] = [
        (media_id, file.stem.partition(".")[2], caption, source)
        for file in sorted((folder / "captions").glob("*.tsv"))
        for media_id, caption, source in read_table(file, ("image_id", "caption", "source"))
    ]
    known = {media_id for media_id, _ in media}
    splits = {file.stem: read_split(file, known) for file in sorted((folder / "splits").glob("*.txt"))}
    if "train" not in splits:
        raise UserError(f"{folder} has no splits/train.txt; copy the benchmark photographs again.")
    train = set(splits["train"])
    pairs = [
        *_parallel_captions(captions, train),
        *_parallel_text(folder),
        *_machine_translations(folder),
        *_same_picture(captions, train, SOURCE_LANGUAGE, SAME_PICTURE),
        *_same_picture(captions, train, "zh", WEAK),
    ]
    # A sentence can stand among the captions and among the parallel text.
    return assemble(
        "benchmark-photographs",
        folder,
        media,
        captions,
        list(dict.fromkeys(pairs)),
        splits,
        licence=LICENCE,
        parallel_source=_PARALLEL,
    )


def _images(folder: Path) -> list[Row]:
    return list(read_table(folder / "images.tsv", ("image_id",)))


def _parallel_captions(captions: list[Row], train: set[str]) -> list[Row]:
    parallel = [row for row in captions if row[3] == _PARALLEL and row[0] in train]
    english = {media_id: caption for media_id, language, caption, _ in parallel if language == SOURCE_LANGUAGE}
    return [
        (SOURCE_LANGUAGE, language, english[media_id], caption, "human")
        for media_id, language, caption, _ in parallel
        if language != SOURCE_LANGUAGE and media_id in english
    ]


def _parallel_text(folder: Path) -> list[Row]:
    file = folder / "text" / "parallel-train.tsv.gz"
    rows = list(read_table(file, (SOURCE_LANGUAGE,), PARALLEL_LANGUAGES))
    return [
        (SOURCE_LANGUAGE, language, source, target, "human")
        for source, *targets in rows
        for language, target in zip(PARALLEL_LANGUAGES, targets, strict=True)
        if target
    ]


def _same_picture(captions: list[Row], train: set[str], language: str, origin: str) -> list[Row]:
    """Pair the English captions of each training picture with others of it, each once."""
    of_picture: dict[str, dict[str, list[str]]] = {}
    for media_id, spoken, caption, _ in captions:
        if media_id in train:
            of_picture.setdefault(media_id, {}).setdefault(spoken, []).append(caption)
    rows: list[Row] = []
    for known in of_picture.values():
        english, others = known.get(SOURCE_LANGUAGE, []), known.get(language, [])
        if language == SOURCE_LANGUAGE:
            others = others[1:] + others[:1]
        rows += [(SOURCE_LANGUAGE, language, *pair, origin) for pair in zip(english, others, strict=False)]
    return [row for row in rows if row[2] != row[3]]


def _machine_translations(folder: Path) -> list[Row]:
    return [
        (SOURCE_LANGUAGE, file.stem.partition(".")[2], source, target, "mt")
        for file in sorted((folder / "captions-mt").glob("train.*.tsv"))
        for source, target in read_table(file, ("source_en", "caption"))
    ]
