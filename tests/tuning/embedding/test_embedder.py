"""tuning.embedding.embedder: rows to the vectors that the vectorizer gives; a bad row fails alone."""

from __future__ import annotations

import base64
import hashlib

import numpy as np
import pyarrow as pa
import pytest
from archive_sample import BAD, CAPTIONS, DIMENSIONS, GOOD, noise
from pyarrow import parquet
from starlette.testclient import TestClient

from cl2cm_plugin.collections.pictures import prepare
from cl2cm_plugin.vectorizer.engines import EngineError
from cl2cm_plugin.vectorizer.engines.opening import Opening
from cl2cm_plugin.vectorizer.settings import Settings
from cl2cm_plugin.vectorizer.web.app import create_app
from tuning.embedding.rows import read_back
from tuning.embedding.source import Columns, Source, from_parquet


def embedded(embedder, source):
    """What becomes of a source's rows, by name."""
    table = pa.concat_tables([parquet.read_table(file) for file in source.files])
    rows = read_back(embedder(table), source.key).to_pylist()
    assert len(rows) == source.rows
    return {row["file"]: row for row in rows}


@pytest.fixture
def vectorizer(tiny_model_folder, info):
    """The service over the same model: its vectors for what Weaviate would send."""
    app = create_app([(info, Opening(tiny_model_folder).open)], Settings())
    with TestClient(app) as client:
        while client.get("/.well-known/ready").status_code != 204:
            pass

        def ask(kind, content):
            sent = content if kind == "text" else base64.b64encode(content).decode()
            body = {f"{kind}s" if kind != "video" else "video": [sent]}
            path = "/c/multi2vec-bind/vectorize" if kind == "video" else "/vectorize"
            return client.post(path, json=body).raise_for_status().json()[f"{kind}Vectors"][0]

        yield ask


def test_vectors_are_those_of_the_vectorizer_for_what_the_importer_sends(embedder, source, archive, vectorizer):
    rows = embedded(embedder(source, caption_vectors=True), source)
    for file in GOOD - {"media/clip.mp4"}:
        sent = prepare((archive / file).read_bytes())
        np.testing.assert_allclose(rows[file]["vector"], vectorizer("image", sent), atol=1e-5)
    clip = (archive / "media/clip.mp4").read_bytes()
    np.testing.assert_allclose(rows["media/clip.mp4"]["vector"], vectorizer("video", clip), atol=1e-5)
    for file, caption in CAPTIONS.items():
        np.testing.assert_allclose(rows[file]["caption_vector"], vectorizer("text", caption), atol=1e-5)


def test_a_large_picture_is_scaled_down_as_the_importer_does_it(archive):
    # Or the test above would say nothing of it.
    content = (archive / "media/large.bmp").read_bytes()
    assert prepare(content) != content


def test_bad_media_fail_alone_and_say_why(embedder, source):
    rows = embedded(embedder(source), source)
    assert {file for file, row in rows.items() if row["error"] is None} == GOOD
    assert {file for file, row in rows.items() if row["vector"] is None} == BAD
    assert rows["media/broken.jpg"]["error"] == "no picture format that can be read here"
    assert "is damaged, cut off or no clip" in rows["media/broken.mp4"]["error"]


def test_a_medium_that_went_away_fails_alone(embedder, source, archive):
    (archive / "media/p3.png").unlink()
    rows = embedded(embedder(source), source)
    assert rows["media/p3.png"]["error"] == "the file cannot be read: No such file or directory"
    assert rows["media/p4.png"]["error"] is None


def test_rows_keep_their_caption_and_the_hash_of_the_file_itself(embedder, source, archive):
    rows = embedded(embedder(source), source)
    assert {file: row["caption"] for file, row in rows.items() if row["caption"]} == CAPTIONS
    for file in GOOD:
        assert rows[file]["media_hash"] == hashlib.sha256((archive / file).read_bytes()).hexdigest()


def test_captions_are_encoded_only_where_that_is_asked_for(embedder, source):
    assert not any(row["caption_vector"] for row in embedded(embedder(source), source).values())
    rows = embedded(embedder(source, caption_vectors=True), source)
    assert {file for file, row in rows.items() if row["caption_vector"]} == CAPTIONS.keys()


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_a_vector_does_not_depend_on_how_many_go_to_the_model_together(embedder, source, at_once):
    usual = embedded(embedder(source), source)
    rows = embedded(embedder(source, pictures_at_once=at_once), source)
    for file in GOOD:
        np.testing.assert_allclose(rows[file]["vector"], usual[file]["vector"], atol=1e-5)


class TestParquet:
    def test_bytes_and_paths_give_the_same_vectors_as_the_files(self, embedder, source, archive, tmp_path):
        files = sorted(GOOD)
        contents = [(archive / file).read_bytes() for file in files]
        bare = pa.table({"file": files, "media": contents})
        struct = pa.table({"file": files, "media": [{"bytes": content, "path": None} for content in contents]})
        path = pa.table({"path": [f"archive/{file}" for file in files]})
        usual = embedded(embedder(source), source)
        for name, table in {"bare": bare, "struct": struct, "path": path}.items():
            parquet.write_table(table, tmp_path / f"{name}.parquet")
            given = from_parquet(tmp_path / f"{name}.parquet", {})
            for file, row in embedded(embedder(given), given).items():
                assert row["error"] is None
                expected = usual[file.removeprefix("archive/")]
                assert row["media_hash"] == expected["media_hash"]
                np.testing.assert_allclose(row["vector"], expected["vector"], atol=1e-6)

    def test_a_row_without_a_medium_has_the_vector_of_its_text(self, embedder, tmp_path, vectorizer):
        png = tmp_path / "a.png"
        noise(0).save(png)
        table = pa.table({"n": [1, 2, 3], "b": [png.read_bytes(), None, None], "t": ["a dog", "am strand", " "]})
        parquet.write_table(table, tmp_path / "rows.parquet")
        given = from_parquet(tmp_path / "rows.parquet", {"file": "n", "media": "b", "caption": "t"})
        rows = embedded(embedder(given), given)
        np.testing.assert_allclose(rows[1]["vector"], vectorizer("image", png.read_bytes()), atol=1e-5)
        np.testing.assert_allclose(rows[2]["vector"], vectorizer("text", "am strand"), atol=1e-5)
        assert rows[2]["media_hash"] is None
        assert (rows[3]["vector"], rows[3]["error"]) == (None, "there is neither a medium nor a text")


class Fragile:
    """An engine that stumbles over texts with "poison", and, when it is broken, over everything."""

    name = "fragile"

    def __init__(self, error, *, broken=False):
        self.error, self.broken = error, broken

    def open(self):
        return self

    def prepare_text(self, text):
        return text

    def prepare_image(self, image):
        return image

    def encode_texts(self, texts):
        if any("poison" in text for text in texts):
            raise self.error
        return np.eye(DIMENSIONS, dtype=np.float32)[: len(texts)]

    def encode_images(self, images):
        if self.broken:
            raise RuntimeError("device lost")
        return np.eye(DIMENSIONS, dtype=np.float32)[: len(images)]


class TestAnEngineThatFails:
    @pytest.fixture
    def texts(self, tmp_path):
        parquet.write_table(pa.table({"file": list("abc"), "caption": ["x", "poison", "z"]}), tmp_path / "t.parquet")
        return from_parquet(tmp_path / "t.parquet", {})

    @pytest.fixture
    def make(self, embedder, monkeypatch):
        def make(source, engine, **given):
            monkeypatch.setattr(Opening, "open", lambda _: engine)
            return embedder(source, **given)

        return make

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (EngineError("the model gives no usable vector"), "the model gives no usable vector"),
            (RuntimeError("/secret: shapes"), "the model failed on this input (RuntimeError)"),
        ],
    )
    def test_over_one_row_costs_only_that_row(self, make, texts, error, reason):
        rows = embedded(make(texts, Fragile(error)), texts)
        assert {name: row["error"] for name, row in rows.items()} == {"a": None, "b": reason, "c": None}
        assert [rows[name]["vector"] is None for name in "abc"] == [False, True, False]

    def test_over_everything_ends_the_run_instead_of_marking_every_row(self, make, texts):
        with pytest.raises(RuntimeError, match="device lost"):
            embedded(make(texts, Fragile(RuntimeError(), broken=True)), texts)

    def test_over_a_caption_leaves_the_picture_its_vector(self, make, tmp_path):
        noise(0).save(tmp_path / "a.png")
        parquet.write_table(pa.table({"path": ["a.png"], "caption": ["poison"]}), tmp_path / "p.parquet")
        source = Source([str(tmp_path / "p.parquet")], Columns("path", None, "path", "caption"), tmp_path, 1)
        row = embedded(make(source, Fragile(EngineError("no")), caption_vectors=True), source)["a.png"]
        assert (row["error"], row["caption_vector"]) == (None, None)
        assert row["vector"] is not None
