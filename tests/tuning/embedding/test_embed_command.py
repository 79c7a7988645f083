"""``cl2cm embed``, also killed in the middle, on a real cluster of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from archive_sample import BAD, DIMENSIONS, noise
from pyarrow import parquet

from cl2cm_plugin import cli
from cl2cm_plugin.collections.vector_file import VectorFile
from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.tables import read_table
from cl2cm_plugin.vectorizer.engines.opening import opening
from tuning.embedding.embedder import Embedder, Work
from tuning.embedding.rows import read_back
from tuning.embedding.source import from_folder


@pytest.fixture
def exported(tmp_path, info):
    """A folder that looks like an exported model, as long as nobody runs it."""
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "export.json").write_text("{}")
    model_info.write(folder, info)
    return folder


class TestWhatIsRefused:
    @pytest.fixture
    def info(self):
        return model_info.ModelInfo("cl2cm-de", "0" * 16, 8)

    @pytest.fixture
    def complaint(self, exported, tmp_path, capsys):
        def complaint(source, *options, out=tmp_path / "v.parquet"):
            command = ["embed", source, "--model", exported, "--out", out, *options]
            assert cli.main([str(part) for part in command]) == 1
            said = capsys.readouterr().err
            assert said.count("\n") == 1
            return said

        return complaint

    def test_a_source_that_is_not_there(self, complaint, tmp_path):
        assert "name a folder of pictures, or Parquet" in complaint(tmp_path / "none")

    def test_a_file_that_is_there(self, complaint, archive):
        (archive / "v.parquet").write_text("")
        assert "exists already; name a new file" in complaint(archive, out=archive / "v.parquet")

    def test_a_file_in_no_folder(self, complaint, archive):
        assert "There is no folder" in complaint(archive, out=archive / "none" / "v.parquet")

    def test_an_exported_model_on_gpus(self, complaint, archive):
        assert "runs on the CPU: leave --gpus-per-actor out" in complaint(archive, "--gpus-per-actor", "1")

    def test_columns_of_a_folder(self, complaint, archive):
        assert "--columns is for Parquet" in complaint(archive, "--columns", "file=url")

    def test_captions_beside_parquet(self, complaint, tmp_path):
        parquet.write_table(pa.table({"file": ["a"], "caption": ["b"]}), tmp_path / "a.parquet")
        assert "--captions is for folders" in complaint(tmp_path / "a.parquet", "--captions", "en")

    def test_captions_in_another_language_and_nothing_is_left_of_that(self, complaint, archive, tmp_path):
        assert "no captions in 'xx'" in complaint(archive, "--captions", "xx")
        assert {place.name for place in tmp_path.iterdir()} == {"archive", "exported"}


def finished(tmp_path):
    """The names of the rows that are done, by the parts that are complete."""
    files = [file for file in (tmp_path / ".v.parquet.part/finished").glob("*.parquet") if "pending" not in file.name]
    return [name for file in files for name in parquet.read_table(file)["file"].to_pylist()]


def wait_until(condition, process):
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise AssertionError("it took too long")


@pytest.fixture
def collection(archive):
    """The archive, with so many pictures that they are several parts; the last one is called z.png."""
    for number in range(10, 34):
        noise(number).save(archive / "media" / f"p{number}.png")
    noise(99).save(archive / "media" / "z.png")
    return archive


@pytest.fixture
def expected(collection, exported_folder, tmp_path):
    """What is to become of every row, computed without Ray."""
    source = from_folder(collection, None, tmp_path / "expected.parquet")
    work = Work(source, opening(str(exported_folder), "onnx", "auto"), DIMENSIONS, caption_vectors=True)
    rows = read_back(Embedder(work)(parquet.read_table(source.files[0])), source.key).to_pylist()
    return {row["file"]: row for row in rows}


@pytest.fixture
def command(collection, exported_folder, tmp_path):
    """How a process embeds the collection."""
    arguments = [sys.executable, "-m", "cl2cm_plugin.cli", "embed", collection, "--model", exported_folder]
    arguments += ["--out", "v.parquet", "--caption-vectors", "--engine", "onnx", "--actors", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {"CL2CM_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
    pipe = subprocess.PIPE
    return {"args": arguments, "cwd": tmp_path, "env": environment, "stdout": pipe, "stderr": pipe, "text": True}


@pytest.mark.timeout(600)
def test_a_command_that_was_killed_goes_on_where_it_was(command, collection, expected, tmp_path):
    last = collection / "media" / "z.png"
    with subprocess.Popen(**command) as process:
        wait_until(lambda: (tmp_path / ".v.parquet.part/list.parquet").is_file(), process)
        # Whoever reads it now waits for ever.
        last.unlink()
        os.mkfifo(last)
        wait_until(lambda: len(finished(tmp_path)) >= 16, process)
        process.kill()
    last.unlink()
    noise(99).save(last)
    done = finished(tmp_path)
    assert len(done) < len(expected)
    # If what is done were computed again, it would have other hashes and vectors.
    for name in done:
        noise(500).save(collection / name, "PNG")

    went_on = subprocess.run(**command, timeout=400, check=False)

    assert (went_on.returncode, went_on.stderr) == (0, "")
    assert "2 failed, first media/broken" in went_on.stdout
    assert f"│ {len(expected)}" in went_on.stdout
    rows = [row for batch in VectorFile(tmp_path / "v.parquet").batches(100) for row in batch]
    assert sorted(row.file for row in rows) == sorted(expected.keys() - BAD)
    for row in rows:
        wanted = expected[row.file]
        assert (row.media_hash, row.caption) == (wanted["media_hash"], wanted["caption"])
        np.testing.assert_allclose(row.vector, wanted["vector"], atol=1e-5)
        assert (row.caption_vector is None) == (row.caption is None)
    failures = read_table(tmp_path / "v.failures.tsv", ["file", "reason"])
    assert dict(failures) == {name: expected[name]["error"] for name in BAD}
    assert not (tmp_path / ".v.parquet.part").exists()
    # The settings reach the actors: it was one of Ray's processes that chose, and remembered it.
    assert (tmp_path / "cache" / "engines.json").is_file()
