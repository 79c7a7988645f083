"""Vectors that were computed in bulk, imported into a real Weaviate server."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from stand_in import COLOURS, DIMENSIONS, colour_vector, text_vector
from vectorizer_process import IDENTITY, VectorizerProcess

from cl2cm_plugin import UserError, cli, collections
from cl2cm_plugin.collections.folder import object_id
from cl2cm_plugin.collections.vector_file import VectorFile, schema
from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.vectorizer.background import background

pytestmark = pytest.mark.timeout(300)
INFO = ModelInfo(*IDENTITY.split("@"), DIMENSIONS)


@pytest.fixture
def name(client):
    """A fresh collection's name; the collection is deleted afterwards."""
    name = f"Given_{uuid4().hex[:8]}"
    yield name
    client.collections.delete(name)


@pytest.fixture
def folder(tmp_path):
    """A captioned-media folder of one picture of each colour; the dog has a caption."""
    (tmp_path / "photos/media").mkdir(parents=True)
    (tmp_path / "photos/captions").mkdir()
    for word, colour in COLOURS.items():
        Image.new("RGB", (16, 16), colour).save(tmp_path / f"photos/media/{word}.png")
    (tmp_path / "photos/captions/en.tsv").write_text("media_id\tcaption\ndog\ta barking animal\n")
    return tmp_path / "photos"


@pytest.fixture
def vectors(folder, tmp_path):
    """What an embedding of the folder gives; these pictures' vectors are not the stand-in's, so they can be told."""
    return write(tmp_path / "vectors.parquet", [row(folder, word) for word in COLOURS])


def row(folder, word):
    file = f"media/{word}.png"
    caption = "a barking animal" if word == "dog" else None
    return {
        "id": str(object_id(file)),
        "file": file,
        "media_hash": sha256((folder / file).read_bytes()).hexdigest(),
        "caption": caption,
        "vector": given(word),
        "caption_vector": text_vector(caption) if caption else None,
    }


def given(word):
    """The vector of a colour beside the picture's own."""
    return colour_vector([value + 3 for value in COLOURS[word]])


def write(file, rows, info=INFO):
    parquet.write_table(pa.Table.from_pylist(rows, schema(info)), file)
    return file


def stored(collection):
    """The vectors of every object, by its file."""
    return {found.properties["file"]: found.vector for found in collection.iterator(include_vector=True)}


@pytest.mark.parametrize("store_media", [False, True])
def test_vectors_are_taken_and_the_vectorizer_is_not_asked(client, folder, vectors, name, store_media):
    vectorizer = VectorizerProcess().start()
    try:
        collection = collections.create(client, name, vectorizer.url, store_media=store_media)
        vectorizer.kill()
        report = collections.import_folder(collection, folder, vectors=vectors, wait_seconds=1, progress=False)
        assert (report.imported, report.failed, report.without_vector) == (4, [], [])
        vectorizer.start()
        found = collections.by_text(collection, "ein Hund", limit=1).objects[0]
    finally:
        vectorizer.kill()
    assert found.properties["file"] == "media/dog.png"
    for file, kept in stored(collection).items():
        word = file.removeprefix("media/").removesuffix(".png")
        np.testing.assert_allclose(kept["picture"], given(word), atol=1e-6)
        if store_media:
            both = [given(word), text_vector("a barking animal")] if word == "dog" else [given(word)]
            np.testing.assert_allclose(kept["picture_and_caption"], np.mean(both, axis=0), atol=1e-6)


def test_the_vectorizer_makes_what_is_missing_or_out_of_date(client, stand_in, folder, vectors, name):
    Image.new("RGB", (16, 16), (9, 9, 9)).save(folder / "media/new.png")
    Image.new("RGB", (16, 16), (90, 9, 9)).save(folder / "media/cat.png")
    collection = collections.create(client, name, stand_in.url)
    report = collections.import_folder(collection, folder, vectors=vectors, progress=False)
    assert (report.imported, report.failed) == (5, [])
    assert sorted(report.without_vector) == ["media/cat.png", "media/new.png"]
    assert "No vector given, so left to the vectorizer: media/cat.png, media/new.png." in str(report)
    kept = stored(collection)
    np.testing.assert_allclose(kept["media/cat.png"]["picture"], colour_vector((90, 9, 9)), atol=1e-6)
    np.testing.assert_allclose(kept["media/new.png"]["picture"], colour_vector((9, 9, 9)), atol=1e-6)
    np.testing.assert_allclose(kept["media/dog.png"]["picture"], given("dog"), atol=1e-6)


def test_the_vectorizer_makes_the_vector_with_a_caption_that_was_not_embedded(
    client, stand_in, folder, tmp_path, name
):
    rows = [row(folder, word) | {"caption_vector": None} for word in COLOURS]
    collection = collections.create(client, name, stand_in.url, store_media=True)
    collections.import_folder(collection, folder, vectors=write(tmp_path / "v.parquet", rows), progress=False)
    dog = stored(collection)["media/dog.png"]
    np.testing.assert_allclose(dog["picture"], given("dog"), atol=1e-6)
    both = [colour_vector(COLOURS["dog"]), text_vector("a barking animal")]
    np.testing.assert_allclose(dog["picture_and_caption"], np.mean(both, axis=0), atol=1e-6)


def test_importing_again_changes_nothing(client, stand_in, folder, vectors, name):
    collection = collections.create(client, name, stand_in.url)
    collections.import_folder(collection, folder, vectors=vectors, progress=False)
    for options in ({"vectors": vectors}, {}):
        report = collections.import_folder(collection, folder, progress=False, **options)
        assert (report.imported, report.unchanged) == (0, 4)


def test_without_a_folder_every_row_becomes_an_object(client, stand_in, folder, tmp_path, name):
    clip = row(folder, "cat") | {"file": "media/clip.mp4"}
    text = row(folder, "sun") | {"file": "a text", "media_hash": None, "caption": "la soleil"}
    file = write(tmp_path / "v.parquet", [row(folder, "dog"), clip, text])
    collection = collections.create(client, name, stand_in.url)
    report = collections.import_folder(collection, None, vectors=file, progress=False)
    assert (report.imported, report.failed) == (3, [])
    assert collections.import_folder(collection, None, vectors=file, progress=False).unchanged == 3
    for word, expected in {"Hund": "media/dog.png", "Katze": "media/clip.mp4", "Sonne": "a text"}.items():
        assert collections.by_text(collection, word, limit=1).objects[0].properties["file"] == expected


class TestWhatIsRefused:
    def test_vectors_of_another_model(self, client, stand_in, folder, tmp_path, name):
        file = write(tmp_path / "v.parquet", [row(folder, "dog")], replace(INFO, name="other"))
        collection = collections.create(client, name, stand_in.url)
        with pytest.raises(collections.ModelMismatch, match=rf"{IDENTITY}.*those of other@{INFO.fingerprint}"):
            collections.import_folder(collection, folder, vectors=file, progress=False)
        assert stored(collection) == {}

    def test_vectors_of_a_model_with_more_languages_are_not(self, client, stand_in, folder, tmp_path, name):
        info = replace(INFO, name="other", extends=[IDENTITY])
        file = write(tmp_path / "v.parquet", [row(folder, word) for word in COLOURS], info)
        collection = collections.create(client, name, stand_in.url)
        assert collections.import_folder(collection, folder, vectors=file, progress=False).without_vector == []

    def test_vectors_of_another_folder(self, client, stand_in, folder, vectors, tmp_path, name):
        (tmp_path / "other").mkdir()
        Image.new("RGB", (16, 16)).save(tmp_path / "other/a.png")
        collection = collections.create(client, name, stand_in.url)
        with pytest.raises(UserError, match=r"None of 1 pictures.*a\.png, has a vector.*is called media/dog\.png"):
            collections.import_folder(collection, tmp_path / "other", vectors=vectors, progress=False)

    def test_a_collection_that_keeps_pictures_without_their_folder(self, client, stand_in, vectors, name):
        collection = collections.create(client, name, stand_in.url, store_media=True)
        with pytest.raises(UserError, match="name their folder too"):
            collections.import_folder(collection, None, vectors=vectors, progress=False)

    def test_by_the_command_before_a_collection_is_made(self, client, stand_in, data_folder, folder, tmp_path, capsys):
        file = write(tmp_path / "v.parquet", [row(folder, "dog")], replace(INFO, name="other"))
        where = ["--vectorizer", stand_in.url, "--data", str(data_folder), "--collection", "Refused"]
        assert cli.main(["import", str(folder), "--vectors", str(file), *where]) == 1
        assert f"serves the model {IDENTITY}, but the vectors in {file} are those of other@" in capsys.readouterr().err
        assert not client.collections.exists("Refused")


def test_embed_import_and_search(client, data_folder, tiny_model_folder, tmp_path, name, capsys, monkeypatch):
    monkeypatch.setenv("CL2CM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WEAVIATE_URL", raising=False)
    photos, exported, vectors = (str(tmp_path / part) for part in ("photos", "exported", "vectors.parquet"))
    (tmp_path / "photos").mkdir()
    generator = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(f"{photos}/{number}.png")
    command = [sys.executable, "-m", "cl2cm_plugin.cli"]
    subprocess.run([*command, "export", tiny_model_folder, exported], check=True)
    environment = {variable: value for variable, value in os.environ.items() if variable != "RAY_ADDRESS"}
    arguments = ["embed", photos, "--model", exported, "--out", vectors, "--actors", "1"]
    subprocess.run([*command, *arguments], check=True, env=environment)

    with background(exported) as vectorizer:
        where = ["--vectorizer", vectorizer.url, "--data", str(data_folder), "--collection", name]
        assert cli.main(["import", photos, "--vectors", vectors, *where]) == 0
        assert "30 pictures imported, 0 unchanged, 0 failed" in capsys.readouterr().out
        found = collections.by_picture(client.collections.use(name), f"{photos}/7.png", limit=1).objects[0]
        assert found.properties["file"] == "7.png"
        assert found.metadata.distance == pytest.approx(0, abs=1e-2)
        assert cli.main(["search", "ein hund am strand", *where, "--limit", "3"]) == 0
        assert capsys.readouterr().out.count(".png") == 3
    kept = stored(client.collections.use(name))
    for row in next(VectorFile(tmp_path / "vectors.parquet").batches(100)):
        np.testing.assert_allclose(kept[row.file]["picture"], row.vector, atol=1e-6)
