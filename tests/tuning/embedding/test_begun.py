"""tuning.embedding.begun: what counts as done, and the file that is made of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from archive_sample import DIMENSIONS
from pyarrow import parquet

from cl2cm_plugin.collections.importer import object_id
from cl2cm_plugin.collections.vector_file import VectorFile, schema
from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table
from tuning.embedding.begun import Begun
from tuning.embedding.rows import Row, to_table

KEY = "url"


@pytest.fixture
def info():
    return ModelInfo("cl2cm-tiny", "0" * 16, DIMENSIONS)


@pytest.fixture
def begun(tmp_path):
    begun = Begun(tmp_path / "vectors.parquet")
    with begun.alone():
        yield begun


def part(begun, name, *names, state="", bad=()):
    """Write what Ray writes: a part, and its checkpoint in one of its states."""
    rows = [
        Row(one, error="broken") if one in bad else Row(one, vector=vector(one), media_hash="0", caption=f"c {one}")
        for one in names
    ]
    begun.parts.mkdir(exist_ok=True)
    begun.finished.mkdir(exist_ok=True)
    parquet.write_table(to_table(rows, pa.chunked_array([names]), KEY, DIMENSIONS), begun.parts / f"{name}-0.parquet")
    parquet.write_table(pa.table({KEY: names}), begun.finished / f"{name}{state}.parquet")


def vector(name):
    return np.random.default_rng(list(name.encode())).normal(size=DIMENSIONS).astype(np.float32)


def test_the_file_has_every_row_with_its_id_and_the_model(begun, info, tmp_path):
    part(begun, "one", "a.png", "b.png")
    part(begun, "two", "c.png")
    outcome = begun.complete(3, schema(info, engine="torch"), KEY)
    assert (outcome.vectors, outcome.failures) == (3, [])
    file = VectorFile(tmp_path / "vectors.parquet")
    assert (file.info, file.rows) == (info, 3)
    (rows,) = file.batches(10)
    for row, name in zip(rows, ["a.png", "b.png", "c.png"], strict=True):
        assert (row.file, row.media_hash, row.caption, row.caption_vector) == (name, "0", f"c {name}", None)
        np.testing.assert_array_equal(row.vector, vector(name))
    ids = parquet.read_table(tmp_path / "vectors.parquet")["id"].to_pylist()
    assert ids == [str(object_id(row.file)) for row in rows]


def test_nothing_else_is_left(begun, info, tmp_path):
    part(begun, "one", "a")
    begun.complete(1, schema(info), KEY)
    assert [file.name for file in tmp_path.iterdir()] == ["vectors.parquet"]


def test_rows_without_a_vector_are_in_the_table_of_failures_alone(begun, info, tmp_path):
    part(begun, "one", "a", "b", "c", bad={"b"})
    outcome = begun.complete(3, schema(info), KEY)
    assert (outcome.vectors, outcome.failures) == (2, [("b", "broken")])
    assert [row.file for row in next(VectorFile(tmp_path / "vectors.parquet").batches(9))] == ["a", "c"]
    assert list(read_table(tmp_path / "vectors.failures.tsv", ["file", "reason"])) == [("b", "broken")]


def test_a_part_that_was_being_written_does_not_count(begun):
    part(begun, "one", "a", "b")
    part(begun, "two", "c", state=".pending")
    assert begun.rows() == 2


def test_missing_rows_are_said_and_the_parts_stay(begun, info):
    part(begun, "one", "a", "b")
    with pytest.raises(UserError, match="1 of 3 rows are missing: type the same command again"):
        begun.complete(3, schema(info), KEY)
    part(begun, "two", "c")
    assert begun.complete(3, schema(info), KEY).vectors == 3


def test_a_row_that_was_computed_twice_is_there_once(begun, info, tmp_path):
    part(begun, "one", "a", "b")
    part(begun, "two", "b", "c")
    assert begun.complete(3, schema(info), KEY).vectors == 3
    assert [row.file for row in next(VectorFile(tmp_path / "vectors.parquet").batches(9))] == ["a", "b", "c"]


def test_a_part_without_its_checkpoint_is_not_read(begun, info, tmp_path):
    part(begun, "one", "a")
    part(begun, "lost", "a", "b", state=".pending")
    begun.complete(1, schema(info), KEY)
    assert VectorFile(tmp_path / "vectors.parquet").rows == 1


def test_only_the_command_that_did_what_is_done_goes_on(begun):
    begun.check({"model": "a@1", "--captions": "en"})
    part(begun, "one", "a")
    begun.check({"model": "a@1", "--captions": "en"})
    with pytest.raises(UserError, match=r"begun with another model: a@1, not b@2\. Type the earlier command again"):
        begun.check({"model": "b@2", "--captions": "en"})
    assert begun.rows() == 1


def test_as_long_as_nothing_is_done_another_command_begins_anew(begun):
    begun.check({"model": "a@1"})
    begun.engine({"name": "first"})
    begun.listed.write_text("")
    part(begun, "one", "a", state=".pending")
    begun.check({"model": "b@2"})
    assert begun.engine() is None
    assert not any(place.exists() for place in (begun.listed, begun.parts, begun.finished))


def test_a_command_that_fails_before_anything_is_done_leaves_nothing(tmp_path):
    begun = Begun(tmp_path / "v.parquet")
    with pytest.raises(UserError, match="typing error"), begun.alone():
        begun.check({"model": "a@1"})
        raise UserError("typing error")
    assert list(tmp_path.iterdir()) == []


def test_the_engine_that_was_chosen_first_stays(begun):
    assert begun.engine() is None
    assert begun.engine({"name": "first"}) == begun.engine({"name": "second"}) == begun.engine() == {"name": "first"}


def test_two_commands_cannot_make_the_same_file(begun, tmp_path):
    with pytest.raises(UserError, match="Another command is making"), Begun(tmp_path / "vectors.parquet").alone():
        pass
