"""cl2cm_plugin.collections.vector_file: vectors are read piece by piece, with the model that made them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from cl2cm_plugin.collections.vector_file import VectorFile, schema
from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError

INFO = ModelInfo("cl2cm-de", "0" * 16, 4, ["en", "de"], extends=["cl2cm-en@1"])


@pytest.fixture
def file(tmp_path):
    """Ten rows in groups of four; every third caption has a vector."""
    vectors = np.arange(40, dtype=np.float32).reshape(10, 4)
    columns = {
        "id": [str(number) for number in range(10)],
        "file": [f"{number}.png" for number in range(10)],
        "media_hash": ["00"] * 9 + [None],
        "caption": [None] * 10,
        "vector": list(vectors),
        "caption_vector": [-vector if number % 3 == 1 else None for number, vector in enumerate(vectors)],
    }
    made = schema(INFO, engine="onnx")
    parquet.write_table(pa.table(columns, made), tmp_path / "v.parquet", row_group_size=4)
    return tmp_path / "v.parquet"


def test_every_row_comes_as_it_was_written(file):
    rows = [row for batch in VectorFile(file).batches(3) for row in batch]
    assert [row.file for row in rows] == [f"{number}.png" for number in range(10)]
    assert [row.media_hash for row in rows] == ["00"] * 9 + [None]
    for number, row in enumerate(rows):
        expected = np.arange(4 * number, 4 * number + 4)
        np.testing.assert_array_equal(row.vector, expected)
        assert row.vector.dtype == np.float32
        if number % 3 == 1:
            np.testing.assert_array_equal(row.caption_vector, -expected)
        else:
            assert row.caption_vector is None


def test_never_more_rows_than_asked_for_are_in_memory(file):
    batches = VectorFile(file).batches(3)
    assert len(next(batches)) == 3
    assert max(map(len, batches)) == 3


def test_the_model_is_known(file):
    opened = VectorFile(file)
    assert (opened.info, opened.rows) == (INFO, 10)


def test_what_is_no_such_file_is_one_clear_sentence(tmp_path):
    with pytest.raises(UserError, match="There is no file of vectors"):
        VectorFile(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("text")
    parquet.write_table(pa.table({"file": ["a"]}), tmp_path / "other.parquet")
    for name in ("text", "other"):
        with pytest.raises(UserError, match="no file of vectors, or damaged"):
            VectorFile(tmp_path / f"{name}.parquet")


def test_without_pyarrow_the_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from cl2cm_plugin.collections.vector_file import VectorFile\n"
        "from cl2cm_plugin import UserError\n"
        "try: VectorFile(Path('v.parquet'))\n"
        "except UserError as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "pip install 'cl2cm-plugin[vectors]'" in said.stdout
