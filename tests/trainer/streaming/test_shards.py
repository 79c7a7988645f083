"""Rows of shards: each belongs to one process, in an order that seed and epoch decide, a few in memory at a time."""

from __future__ import annotations

import pyarrow as pa
import pytest
from datasets.packaged_modules.parquet.parquet import Parquet

from cl2cm_plugin.errors import UserError
from trainer.streaming import shards
from trainer.streaming.shards import Turn


def sources(table, turn, **options):
    return [row["source"] for row in table.rows(turn, **options)]


@pytest.mark.parametrize("epoch", [0, 1, 5])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_see_different_rows_and_together_all(numbers, epoch, processes):
    table = numbers()

    parts = [sources(table, Turn(0, epoch, process, processes)) for process in range(processes)]

    together = [source for part in parts for source in part]
    assert sorted(together, key=int) == [str(number) for number in range(90)]
    assert all(parts)


def test_an_order_belongs_to_a_seed_and_an_epoch(numbers):
    first = sources(numbers(), Turn(0, 0))

    assert sources(numbers(), Turn(0, 0)) == first
    assert sources(numbers(), Turn(0, 1)) != first
    assert sources(numbers(), Turn(1, 0)) != first
    assert sources(numbers(), Turn(1, 1)) != sources(numbers(), Turn(0, 1))
    assert first != sorted(first, key=int)


def test_row_groups_of_all_files_are_mixed(numbers):
    # The buffer holds two of nine row groups, and the file of a row is its number divided by 30.
    first = {int(source) // 30 for source in sources(numbers(), Turn(0, 1))[:30]}

    assert len(first) > 1


def test_few_rows_are_in_memory_at_a_time(numbers, monkeypatch):
    read = 0
    cast = Parquet._cast_table

    def counting(self, table):
        nonlocal read
        read += len(table)
        return cast(self, table)

    monkeypatch.setattr(Parquet, "_cast_table", counting)
    alive = [read - given for given, _ in enumerate(numbers(rows=3000, buffer=50).rows(Turn(0, 0)), 1)]

    assert read == 3000
    assert max(alive) < 3 * 50


def test_huge_row_groups_do_not_fill_the_memory(write_pairs, tmp_path, monkeypatch):
    sizes = []
    cast = Parquet._cast_table
    monkeypatch.setattr(Parquet, "_cast_table", lambda self, table: (sizes.append(len(table)), cast(self, table))[1])
    file = write_pairs(tmp_path / "0.parquet", [(str(number), "x") for number in range(1000)], rows_a_group=1000)
    table = shards.Table([file], shards.PAIRS, list(shards.PAIRS), buffer=50)

    assert len(sources(table, Turn(0, 0))) == 1000
    assert max(sizes) <= 50


def test_the_light_columns_come_in_the_order_of_the_whole_rows(opened):
    for turn in (Turn(0, 0), Turn(3, 2, 1, 2)):
        whole = list(opened.pictures.rows(turn))
        light = list(opened.pictures.rows(turn, light=True))
        assert [row["media_id"] for row in light] == [row["media_id"] for row in whole]
        assert set(light[0]) == {"media_id", "captions"}


def test_arrow_files_do_as_well(numbers):
    table = numbers(suffix=".arrow")

    assert sorted(sources(table, Turn(0, 0)), key=int) == [str(number) for number in range(90)]
    parts = [sources(table, Turn(0, 1, process, 3)) for process in range(3)]
    assert {len(part) for part in parts} == {30}


@pytest.mark.parametrize(("processes", "apart"), [(1, False), (2, False), (3, True), (4, False), (9, True)])
def test_processes_read_their_own_shards_where_nine_can_be_dealt_evenly(numbers, processes, apart):
    assert numbers(rows=90).comes_apart(processes) == apart


def test_processes_read_their_own_shards_where_there_are_many(numbers):
    assert numbers(rows=170, files=1).comes_apart(2)


def test_a_shard_without_a_column_is_refused(tmp_path):
    (tmp_path / "pairs").mkdir()
    table = pa.table({"source": ["a"], "target": ["b"]})
    pa.parquet.write_table(table, tmp_path / "pairs" / "0.parquet")

    with pytest.raises(UserError, match=r"0\.parquet lacks the column source_language and target_language and origin"):
        shards.read(tmp_path)


def test_a_shard_that_is_cut_off_is_refused(sharded):
    file = next((sharded / "pairs").iterdir())
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(UserError, match=f"The shard {file} cannot be read"):
        shards.read(sharded)


def test_a_shard_that_is_damaged_inside_is_told_with_its_folder(numbers):
    table = numbers()
    content = bytearray(table.files[1].read_bytes())
    content[40:400] = b"\0" * 360
    table.files[1].write_bytes(content)

    with pytest.raises(UserError, match=r"A shard in .*numbers cannot be read"):
        sources(table, Turn(0, 0))


def test_files_of_two_kinds_are_refused(sharded, write_pairs):
    write_pairs(sharded / "pairs" / "x.arrow", [("a", "b")])

    with pytest.raises(UserError, match="holds arrow and parquet files: keep one kind"):
        shards.read(sharded)


def test_a_folder_of_shards_is_told_from_captioned_media(sharded, colours):
    assert shards.recognises(sharded)
    assert not shards.recognises(colours)
    assert not shards.recognises(sharded / "nowhere")
