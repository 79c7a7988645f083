"""The colours as shards, streams of plain numbers, and short recipes on tiny backbones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer import corpus, recipe
from trainer.streaming import shards, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@pytest.fixture
def sharded(colours: Path, tmp_path: Path) -> Path:
    """The six colours of the split in two shards, 18 pairs in six, and the other two colours as dev cut."""
    pairs = colours / "pairs" / "en-de.tsv"
    further = "".join(f"{name} {name}\t{name}\thuman\n" for name in ("red", "blue", "black", "white", "green"))
    kept_back = "pink\trosa\thuman\ngrey\tgrau\thuman\n"
    pairs.write_text(pairs.read_text(encoding="utf-8") + further + kept_back, encoding="utf-8")
    writing.write(corpus.read(colours), tmp_path / "shards", "train", "held-out", rows=3)
    return tmp_path / "shards"


@pytest.fixture
def opened(sharded: Path) -> shards.Shards:
    return shards.read(sharded)


@pytest.fixture
def write_pairs() -> Callable[..., Path]:
    """Write pairs into a shard: ``write_pairs(file, [("a sentence", "ein Satz")], rows_a_group=10)``."""

    def write(file: Path, pairs: Iterable[tuple[str, str]], rows_a_group: int = 10, language: str = "de") -> Path:
        known = {"source_language": "en", "target_language": language, "origin": "human"}
        rows = [{**known, "source": source, "target": target} for source, target in pairs]
        file.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(rows, schema=shards.PAIRS.arrow_schema)
        if file.suffix == ".parquet":
            pq.write_table(table, file, row_group_size=rows_a_group)
        else:
            with pa.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table, max_chunksize=rows_a_group)
        return file

    return write


@pytest.fixture
def numbers(tmp_path: Path, write_pairs: Callable[..., Path]) -> Callable[..., shards.Table]:
    """A table of numbered pairs, ten to a row group: ``numbers(rows=90, files=3, buffer=20)``."""

    def table(rows: int = 90, files: int = 3, buffer: int = 20, suffix: str = ".parquet") -> shards.Table:
        folder, each = tmp_path / "numbers", rows // files
        written = [
            write_pairs(
                folder / f"{file}{suffix}", [(f"{n}", f"nummer {n}") for n in range(file * each, (file + 1) * each)]
            )
            for file in range(files)
        ]
        return shards.Table(written, shards.PAIRS, list(shards.PAIRS), buffer)

    return table


@pytest.fixture
def recipe_of(text_backbone: Path, image_backbone: Path) -> Callable[..., recipe.Recipe]:
    """A short recipe on the tiny backbones: ``recipe_of(cross_modal={"feature_dropout": 0}, seed=1)``."""

    def make(
        *,
        epochs: int = 2,
        batch_size: int = 4,
        patience: int = 0,
        devices: int = 1,
        workers: int = 0,
        model: dict[str, Any] | None = None,
        cross_lingual: dict[str, Any] | None = None,
        cross_modal: dict[str, Any] | None = None,
        **changes: Any,
    ) -> recipe.Recipe:
        rates = {"lr_projection": 0.01, "lr_backbone": 0.005, "lr_image_backbone": 0.005}
        optimiser = {"epochs": epochs, "batch_size": batch_size, "patience": patience, **rates}
        towers = {"text": str(text_backbone), "image": str(image_backbone)}
        values = {
            "model": {**towers, "dimensions": 8, "max_tokens": 32, "vocabulary": "all", **(model or {})},
            "cross_lingual": {"optimiser": optimiser, **(cross_lingual or {})},
            "cross_modal": {"optimiser": optimiser, **(cross_modal or {})},
            "compute": {"precision": "float32", "devices": devices, "workers": workers},
            "dev_pictures": 2 if patience else 0,
            **changes,
        }
        return recipe.Recipe.model_validate(values)

    return make


@pytest.fixture
def damage() -> Callable[[Path, set[str]], None]:
    """Cut pictures off inside their shards: ``damage(folder, {"red"})``."""

    def cut_off(folder: Path, media_ids: set[str]) -> None:
        for file in (folder / "pictures").iterdir():
            rows = pq.read_table(file).to_pylist()
            for row in rows:
                if row["media_id"] in media_ids:
                    row["image"]["bytes"] = row["image"]["bytes"][:60]
            pq.write_table(pa.Table.from_pylist(rows, schema=shards.PICTURES.arrow_schema), file)

    return cut_off
