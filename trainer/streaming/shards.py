"""A corpus in shards, read as a stream by Hugging Face `datasets`: never all of it is in memory.

    corpus.yaml              name, licence, attribution, as in captioned media; may be absent
    pairs/*.parquet          stage 1: source_language, target_language, source, target, origin
    pictures/*.parquet       stage 2: media_id, image, captions
    dev/                     captioned media for dev figures and evaluation; may be absent

``image`` is what `datasets` calls an image: ``{bytes, path}``, of which one may be null; a path is relative to the
folder. ``captions`` is a list of records with the columns of ``pairs/``: a caption that people wrote
(``source_language``, ``source``) with a translation of it, or without one (``target_language``, ``target`` null). So a
picture is stored once, whatever number of captions it has. ``.arrow`` files do as well as ``.parquet``; a folder holds
one kind.

Rows are mixed no further than the shuffle buffer reaches. Row groups of a Parquet file come in an order that is
drawn anew for every epoch, so small ones (100 pictures, 1,000 pairs, as `writing` makes them) mix well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Image, IterableDataset, List, Value
from datasets.distributed import split_dataset_by_node
from datasets.packaged_modules.arrow.arrow import Arrow

from cl2cm_plugin.encoder.backbones import cache_folder
from cl2cm_plugin.errors import UserError
from trainer.corpus import captioned_media

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.corpus.captioned_media import CaptionedMedia

_SENTENCES = {name: Value("string") for name in ("source_language", "source", "target_language", "target", "origin")}
PAIRS = Features(_SENTENCES)
"""Columns of ``pairs/``."""
PICTURES = Features({"media_id": Value("string"), "image": Image(decode=False), "captions": List(_SENTENCES)})
"""Columns of ``pictures/``; the image is not decoded while it is read."""

_KINDS = {".parquet": "parquet", ".arrow": "arrow"}
_ROWS_AT_ONCE = 100
_SHARDS_A_PROCESS = 8

Row = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """Which rows, in which order.

    Attributes:
        seed: Determines the order together with the epoch.
        epoch: The epoch, from 0.
        process: Which of the processes that share the rows asks.
        processes: How many share them; each row belongs to one.
    """

    seed: int
    epoch: int
    process: int = 0
    processes: int = 1


class Table:
    """Rows of one kind, in files.

    Args:
        files: All Parquet, or all Arrow; each has the columns.
        features: The columns.
        light: Those that say which rows a recipe takes, without what is large.
        buffer: Rows that are shuffled among each other.

    Raises:
        UserError: A file cannot be read or lacks a column, or there are files of both kinds.
    """

    def __init__(self, files: Sequence[Path], features: Features, light: Sequence[str], buffer: int) -> None:
        self.files = list(files)
        self._features, self._buffer = features, buffer
        self._light = Features({name: features[name] for name in light})
        kinds = sorted({_KINDS[file.suffix] for file in files})
        if len(kinds) > 1:
            raise UserError(f"{files[0].parent} holds {' and '.join(kinds)} files: keep one kind.")
        self._kind = kinds[0] if kinds else ""
        for file in files:
            _check(file, features)

    def rows(self, turn: Turn, *, light: bool = False) -> Iterator[Row]:
        """Read rows in the order that a turn determines.

        Args:
            turn: The order, and whose rows.
            light: Read the light columns alone: the same rows in the same order, without what is large.

        Raises:
            UserError: A file is damaged.
        """
        dataset = (self._all_light if light else self._all).shuffle(
            # Several files at a time would be read by threads, which no fork survives; row groups mix as well.
            turn.seed,
            buffer_size=self._buffer,
            max_buffer_input_shards=1,
        )
        if turn.processes > 1:
            dataset = split_dataset_by_node(dataset, turn.process, turn.processes, strategy="shards")
        dataset.set_epoch(turn.epoch)
        try:
            for columns in dataset.iter(_ROWS_AT_ONCE):
                for values in zip(*columns.values(), strict=True):
                    yield dict(zip(columns, values, strict=True))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UserError(f"A shard in {self.files[0].parent} cannot be read: {error}") from error

    def comes_apart(self, processes: int) -> bool:
        """Tell whether there are shards enough for processes that read each their own."""
        shards = self._all.num_shards
        return processes > 1 and (shards % processes == 0 or shards >= _SHARDS_A_PROCESS * processes)

    @cached_property
    def _all(self) -> IterableDataset:
        return self._opened(self._features)

    @cached_property
    def _all_light(self) -> IterableDataset:
        return self._opened(self._light)

    def _opened(self, features: Features) -> IterableDataset:
        # Not by `load_dataset`: it tells the hub of every call, and waits for it where there is no network.
        files, cache = [str(file) for file in self.files], str(cache_folder() / "datasets")
        if self._kind == "arrow":
            dataset = Arrow(cache_dir=cache, data_files={"train": files}).as_streaming_dataset("train")
            return dataset.select_columns(list(features)).cast(features)
        # A file with huge row groups must not fill the memory.
        dataset = IterableDataset.from_parquet(
            files, features=features, columns=list(features), batch_size=self._buffer, cache_dir=cache
        )
        # From here on a shard is a row group.
        return dataset.reshard()


@dataclass(frozen=True)
class Shards:
    """A corpus in shards.

    Attributes:
        folder: Where it is.
        name: A short name.
        licence: A sentence or an SPDX identifier; empty if the folder does not say.
        pairs: The sentence pairs.
        pictures: The captioned pictures.
        dev: What dev figures and evaluation are computed on, if there is anything.
    """

    folder: Path
    name: str
    licence: str
    pairs: Table
    pictures: Table
    dev: CaptionedMedia | None

    def names_and_sizes(self, *tables: Table) -> list[str]:
        """What tells the shards of some tables from others: their names and sizes, by which runs know them again."""
        files = (file for table in tables for file in table.files)
        return [f"{file.relative_to(self.folder)}\t{file.stat().st_size}" for file in files]


def recognises(folder: Path) -> bool:
    """Tell whether a folder holds shards."""
    return any(_files(folder / name) for name in ("pairs", "pictures"))


def read(folder: Path, buffer_pairs: int = 10_000, buffer_pictures: int = 1_000) -> Shards:
    """Open a folder of shards; rows are read when they are asked for.

    Args:
        folder: A folder in the format that this module describes.
        buffer_pairs: Sentence pairs that are shuffled among each other, and so in memory.
        buffer_pictures: Pictures, undecoded, of which the same holds.

    Returns:
        The corpus.

    Raises:
        UserError: A file cannot be read or lacks a column.
    """
    facts = captioned_media.read_facts(folder / "corpus.yaml")
    dev = folder / "dev"
    return Shards(
        folder,
        facts.get("name", folder.name),
        facts.get("licence", ""),
        Table(_files(folder / "pairs"), PAIRS, list(PAIRS), buffer_pairs),
        Table(_files(folder / "pictures"), PICTURES, ["media_id", "captions"], buffer_pictures),
        captioned_media.read(dev) if captioned_media.recognises(dev) else None,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix in _KINDS and not file.name.startswith("."))


def _check(file: Path, features: Features) -> None:
    try:
        found = pq.read_schema(file).names if file.suffix == ".parquet" else _arrow_columns(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"The shard {file} cannot be read: {error}. Write it again, or take it out.") from None
    missing = [name for name in features if name not in found]
    if missing:
        raise UserError(
            f"The shard {file} lacks the column {' and '.join(missing)}: it has {', '.join(found)}; "
            f"wanted {', '.join(features)}."
        )


def _arrow_columns(file: Path) -> list[str]:
    with file.open("rb") as stream:
        try:
            return pa.ipc.open_stream(stream).schema.names
        except pa.ArrowInvalid:
            return pa.ipc.open_file(stream).schema.names
