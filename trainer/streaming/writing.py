"""Write a captioned-media corpus as shards."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from cl2cm_plugin.encoder import video
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import write_table
from trainer.corpus.captioned_media import WEAK
from trainer.digest import digest
from trainer.streaming.shards import PAIRS, PICTURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from datasets import Features

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.streaming.shards import Row

PAIRS_A_GROUP, PICTURES_A_GROUP = 1_000, 100
"""Rows of a row group: what is read at once, and what an epoch's order moves as a whole."""


@dataclass(frozen=True)
class Written:
    """What was written: rows and the shards that hold them."""

    pairs: int
    pictures: int
    shards: int


def write(corpus: CaptionedMedia, folder: Path, split: str, dev: str | None = None, rows: int = 10_000) -> Written:
    """Write the pictures of a split with their captions, and the sentence pairs, as shards.

    Rows come in an order that has nothing to do with that of the corpus, so that every shard holds some of everything;
    the translations of a sentence stay together.

    Args:
        corpus: What to write.
        folder: Where to; it appears whole or not at all.
        split: The pictures to train on.
        dev: A split that becomes ``dev/``; sentence pairs of its captions are left out of ``pairs/``.
        rows: Rows of a shard.

    Returns:
        What was written.

    Raises:
        UserError: The folder is there already, there is no such split, or the corpus has clips.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already: delete it, or name another folder with --out.")
    if dev and set(corpus.media_ids(dev)) & set(corpus.media_ids(split)):
        raise UserError(f"The splits {split!r} and {dev!r} share pictures: what is trained on cannot be the dev cut.")
    media_ids = sorted(corpus.media_ids(split), key=lambda media_id: digest([media_id]))
    kept_back = _captions(corpus, corpus.media_ids(dev)) if dev else []
    pairs = _pairs(corpus, {(row["language"], row["caption"]) for row in kept_back})
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    _write_facts(corpus, temporary / "corpus.yaml", split)
    shards = _write_shards(pairs, PAIRS, temporary / "pairs", rows, PAIRS_A_GROUP)
    shards += _write_shards(_pictures(corpus, media_ids), PICTURES, temporary / "pictures", rows, PICTURES_A_GROUP)
    if dev:
        _write_dev(corpus, temporary / "dev", dev, kept_back)
    temporary.rename(folder)
    return Written(len(pairs), len(media_ids), shards)


def _captions(corpus: CaptionedMedia, media_ids: Sequence[str]) -> list[Row]:
    wanted = set(media_ids)
    return [row for row in corpus.captions if row["media_id"] in wanted]


def _pairs(corpus: CaptionedMedia, kept_back: set[tuple[str, str]]) -> list[Row]:
    found = [row for row in corpus.pairs if (row["source_language"], row["source"]) not in kept_back]
    return sorted(found, key=lambda row: digest([row["source"]]))


def _pictures(corpus: CaptionedMedia, media_ids: Sequence[str]) -> Iterator[Row]:
    files = corpus.files()
    translations: dict[tuple[str, str], list[Row]] = {}
    for pair in corpus.pairs:
        if pair["origin"] != WEAK and pair["target_language"] != pair["source_language"]:
            translations.setdefault((pair["source_language"], pair["source"]), []).append(pair)
    captions: dict[str, list[Row]] = {}
    for row in _captions(corpus, media_ids):
        alone = dict.fromkeys(PAIRS) | {"source_language": row["language"], "source": row["caption"]}
        known = translations.get((row["language"], row["caption"]), [alone])
        captions.setdefault(row["media_id"], []).extend(known)
    for media_id in media_ids:
        file = Path(files[media_id])
        if video.is_video(file):
            raise UserError(f"{file} is a clip, and shards hold pictures alone: leave clips out, or train in memory.")
        image = {"bytes": file.read_bytes(), "path": file.name}
        yield {"media_id": media_id, "image": image, "captions": captions.get(media_id, [])}


def _write_shards(rows: Iterable[Row], features: Features, folder: Path, rows_a_shard: int, rows_a_group: int) -> int:
    """Write rows as they come: no more than a row group of them is in memory. Give the number of shards."""
    folder.mkdir()
    schema, source, shards = features.arrow_schema, iter(rows), 0
    group = list(islice(source, min(rows_a_group, rows_a_shard)))
    while group:
        with pq.ParquetWriter(folder / f"{shards:05d}.parquet", schema) as writer:
            written = 0
            while group and written < rows_a_shard:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                written += len(group)
                group = list(islice(source, min(rows_a_group, rows_a_shard - written or rows_a_shard)))
        shards += 1
    return shards


def _write_facts(corpus: CaptionedMedia, file: Path, split: str) -> None:
    facts = {"name": f"{corpus.name}, split {split}", "licence": corpus.licence, "attribution": corpus.attribution}
    facts["parallel_source"] = corpus.parallel_source
    known = {name: value for name, value in facts.items() if value}
    file.write_text(yaml.safe_dump(known, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _write_dev(corpus: CaptionedMedia, folder: Path, split: str, captions: list[Row]) -> None:
    """Write a split as captioned media, with the pairs of its captions."""
    files = corpus.files()
    for media_id in corpus.media_ids(split):
        file = Path(files[media_id])
        copy = folder / "media" / f"{media_id}{file.suffix}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    for language in sorted({row["language"] for row in captions}):
        rows = [(row["media_id"], row["caption"], row["source"]) for row in captions if row["language"] == language]
        write_table(folder / "captions" / f"{language}.tsv", ("media_id", "caption", "source"), rows)
    known = {(row["language"], row["caption"]) for row in captions}
    tables: dict[str, list[Row]] = {}
    for row in corpus.pairs:
        if (row["source_language"], row["source"]) in known:
            tables.setdefault(f"{row['source_language']}-{row['target_language']}.tsv", []).append(row)
    columns = ("source", "target", "origin")
    for name, of_languages in tables.items():
        write_table(folder / "pairs" / name, columns, [[row[column] for column in columns] for row in of_languages])
    _write_facts(corpus, folder / "corpus.yaml", split)
