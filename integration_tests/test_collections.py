"""Collections on a real Weaviate server, with a stand-in vectorizer that can be killed."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import threading
import time
from uuid import uuid4

import pytest
from PIL import Image
from stand_in import COLOURS, REFUSED_SIZE
from vectorizer_process import IDENTITY, VectorizerProcess, free_port
from weaviate.exceptions import WeaviateQueryError

from cl2cm_plugin import UserError, cli, collections
from cl2cm_plugin.collections.data_folder import DataFolder
from cl2cm_plugin.collections.importer import object_id
from cl2cm_plugin.collections.server_process import is_ours

pytestmark = pytest.mark.timeout(180)
OTHER_MODEL = "other@fedcba9876543210"


@pytest.fixture
def name(client):
    """A fresh collection's name; the collection is deleted afterwards."""
    name = f"Test_{uuid4().hex[:8]}"
    yield name
    client.collections.delete(name)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A captioned-media folder of a hundred single-coloured pictures, four of them of what the words name."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "media").mkdir()
    (folder / "captions").mkdir()
    rows = ["media_id\tcaption\tsource"]
    for media_id, colour in pictures(100):
        Image.new("RGB", (32, 24), colour).save(folder / "media" / f"{media_id}.png")
        rows.append(f"{media_id}\ta picture called {media_id}\ttest")
    rows.append('dog\tan animal that barks "loudly"\ttest')
    (folder / "captions" / "en.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def pictures(count):
    generator = random.Random(0)
    yield from COLOURS.items()
    for index in range(count - len(COLOURS)):
        yield f"plain{index:03}", tuple(generator.randrange(60, 200) for _ in range(3))


@pytest.fixture(scope="module")
def filled(client, stand_in, archive):
    """A collection with the archive in it, pictures kept, so that it has both vectors."""
    collection = collections.create(client, "Filled", stand_in.url, store_media=True)
    report = collections.import_folder(collection, archive, progress=False)
    assert (report.imported, report.failed) == (100, [])
    yield collection
    client.collections.delete("Filled")


def everything(collection):
    return list(collection.iterator(include_vector=True))


def assert_complete(collection, files, vectors):
    objects = everything(collection)
    assert sorted(found.properties["file"] for found in objects) == sorted(files)
    assert {frozenset(found.vector) for found in objects} == {frozenset(vectors)}
    assert all(len(vector) == 64 for found in objects for vector in found.vector.values())


def names(result):
    return [found.properties["file"] for found in result.objects]


class TestSearch:
    @pytest.mark.parametrize("query", ["dog", "ein Hund", "un chien", "un perro", "un cane", "um cachorro", "犬"])
    def test_a_text_in_any_language_finds_the_picture(self, filled, query):
        assert names(collections.by_text(filled, query, limit=1)) == ["media/dog.png"]

    @pytest.mark.parametrize("target", ["picture", "picture_and_caption"])
    def test_both_vectors_can_be_searched(self, filled, target):
        assert "media/cat.png" in names(collections.by_text(filled, "eine Katze", limit=2, target=target))

    def test_a_picture_finds_itself_at_distance_nought(self, filled, archive):
        file = archive / "media" / "plain042.png"
        for picture in (file, str(file), file.read_bytes(), Image.open(file)):
            found = collections.by_picture(filled, picture, limit=1).objects[0]
            assert found.properties["file"] == "media/plain042.png"
            assert found.metadata.distance == pytest.approx(0, abs=1e-5)

    def test_hybrid_counts_the_words_of_captions(self, filled):
        assert names(collections.hybrid(filled, "barks loudly", alpha=0.3, limit=1)) == ["media/dog.png"]
        assert collections.hybrid(filled, "Hund", limit=1).objects[0].metadata.score > 0

    def test_captions_of_one_picture_are_joined(self, filled):
        found = filled.query.fetch_object_by_id(object_id("media/dog.png"))
        assert found.properties["caption"] == 'a picture called dog\nan animal that barks "loudly"'

    def test_every_object_has_both_vectors(self, filled, archive):
        assert_complete(filled, media(archive), ["picture", "picture_and_caption"])


def media(archive):
    return [path.relative_to(archive).as_posix() for path in (archive / "media").iterdir()]


class TestImport:
    def test_only_hashes_are_kept_by_default_and_search_still_works(self, client, stand_in, archive, name):
        collection = collections.create(client, name, stand_in.url)
        assert collections.import_folder(collection, archive, progress=False).imported == 100
        assert_complete(collection, media(archive), ["picture"])
        kept = collection.query.fetch_objects(limit=1, return_properties=["image"]).objects[0].properties["image"]
        assert kept is None or len(kept) <= 64
        found = collections.by_picture(collection, archive / "media" / "sun.png", limit=1)
        assert names(found) == ["media/sun.png"]
        assert found.objects[0].metadata.distance == pytest.approx(0, abs=1e-5)
        assert names(collections.hybrid(collection, "barks", alpha=0.2, limit=1)) == ["media/dog.png"]
        with pytest.raises(UserError, match="has no vector picture_and_caption, only picture"):
            collections.by_text(collection, "dog", target="picture_and_caption")

    def test_one_bad_picture_among_a_hundred_fails_alone(self, client, stand_in, tmp_path, name):
        for media_id, colour in pictures(98):
            Image.new("RGB", (16, 16), colour).save(tmp_path / f"{media_id}.png")
        (tmp_path / "broken.jpg").write_bytes(b"this is no picture")
        Image.new("RGB", REFUSED_SIZE, "red").save(tmp_path / "refused.png")
        collection = collections.create(client, name, stand_in.url, store_media=True)
        report = collections.import_folder(collection, tmp_path, progress=False)
        assert report.imported == 98
        assert dict(report.failed) == {
            "broken.jpg": "no picture format that can be read here",
            "refused.png": "image 0: pictures of 13 x 13 pixels are refused",
        }
        assert "refused.png: image 0" in str(report)
        assert_complete(collection, [f"{i}.png" for i, _ in pictures(98)], ["picture", "picture_and_caption"])

    def test_refused_beside_an_absent_vectorizer_is_not_a_refusal_of_all(self, client, tmp_path, name):
        for media_id, colour in pictures(20):
            Image.new("RGB", (16, 16), colour).save(tmp_path / f"{media_id}.png")
        Image.new("RGB", REFUSED_SIZE, "red").save(tmp_path / "a.png")
        vectorizer = VectorizerProcess().start()
        try:
            collection = collections.create(client, name, vectorizer.url)
            vectorizer.restart(busy=True)
            threading.Timer(3, vectorizer.restart).start()
            report = collections.import_folder(collection, tmp_path, progress=False)
        finally:
            vectorizer.kill()
        assert report.imported == 20
        assert [file for file, _ in report.failed] == ["a.png"]

    def test_importing_again_skips_what_is_there_and_replaces_what_changed(self, client, stand_in, tmp_path, name):
        for media_id, colour in pictures(10):
            Image.new("RGB", (16, 16), colour).save(tmp_path / f"{media_id}.png")
        collection = collections.create(client, name, stand_in.url)
        collections.import_folder(collection, tmp_path, progress=False)
        Image.new("RGB", (16, 16), COLOURS["dog"]).save(tmp_path / "plain000.png")
        (tmp_path / "dog.png").unlink()
        Image.new("RGB", (2000, 10), (0, 0, 0)).save(tmp_path / "large.bmp")
        report = collections.import_folder(collection, tmp_path, progress=False)
        assert (report.imported, report.unchanged, report.failed) == (2, 8, [])
        again = collections.by_text(collection, "Hund", limit=2).objects
        assert {found.properties["file"] for found in again} == {"dog.png", "plain000.png"}
        assert all(found.metadata.distance < 1e-5 for found in again)

    def test_a_changed_caption_changes_its_vector(self, client, stand_in, tmp_path, name):
        (tmp_path / "media").mkdir()
        (tmp_path / "captions").mkdir()
        Image.new("RGB", (16, 16), "white").save(tmp_path / "media" / "a.png")
        Image.new("RGB", (16, 16), "black").save(tmp_path / "media" / "b.png")
        table = tmp_path / "captions" / "en.tsv"
        table.write_text("media_id\tcaption\na\tcat\n")
        collection = collections.create(client, name, stand_in.url, store_media=True)
        collections.import_folder(collection, tmp_path, progress=False)
        before = collection.query.fetch_object_by_id(object_id("media/a.png"), include_vector=True).vector
        table.write_text("media_id\tcaption\na\tdog\n")
        assert collections.import_folder(collection, tmp_path, progress=False).imported == 1
        after = collection.query.fetch_object_by_id(object_id("media/a.png"), include_vector=True).vector
        assert after["picture"] == before["picture"]
        assert after["picture_and_caption"] != before["picture_and_caption"]
        alone = collection.query.fetch_object_by_id(object_id("media/b.png"), include_vector=True).vector
        assert alone["picture"] == pytest.approx(alone["picture_and_caption"])


class TestAnotherModel:
    def test_is_refused_on_opening_importing_and_searching(self, client, archive, name):
        vectorizer = VectorizerProcess().start()
        try:
            collection = collections.create(client, name, vectorizer.url)
            vectorizer.restart(identity=OTHER_MODEL)
            with pytest.raises(collections.ModelMismatch, match=f"{IDENTITY}.*{OTHER_MODEL}"):
                collections.open_collection(client, name, vectorizer.url)
            with pytest.raises(collections.ModelMismatch, match=IDENTITY):
                collections.import_folder(collection, archive, progress=False)
            with pytest.raises(collections.ModelMismatch, match=IDENTITY):
                collections.by_text(collection, "dog")
            with pytest.raises(collections.ModelMismatch, match=IDENTITY):
                collections.by_picture(collection, archive / "media" / "dog.png")
            assert everything(collection) == []
        finally:
            vectorizer.kill()

    def test_is_refused_by_the_server_itself_for_native_clients(self, client, archive, name):
        vectorizer = VectorizerProcess().start()
        try:
            collection = collections.create(client, name, vectorizer.url)
            vectorizer.restart(identity=OTHER_MODEL)
            with pytest.raises(WeaviateQueryError, match="409"):
                collection.query.near_text("dog", target_vector="picture")
            image = base64.b64encode((archive / "media" / "dog.png").read_bytes()).decode()
            with pytest.raises(Exception, match="409"):
                collection.data.insert({"image": image})
            assert everything(collection) == []
        finally:
            vectorizer.kill()

    def test_the_same_model_at_another_address_is_one_clear_sentence(self, client, stand_in, name):
        elsewhere = VectorizerProcess().start()
        try:
            collections.create(client, name, stand_in.url)
            with pytest.raises(UserError, match=rf"calls its vectorizer at {stand_in.url}, not at {elsewhere.url}"):
                collections.open_collection(client, name, elsewhere.url)
            opened = collections.open_collection(client, name, elsewhere.url, address_for_server=stand_in.url)
            assert opened.name == name
        finally:
            elsewhere.kill()


class TestVectorizerKilledDuringAnImport:
    @pytest.fixture
    def slow(self):
        vectorizer = VectorizerProcess().start(delay=0.1)
        yield vectorizer
        vectorizer.kill()

    @staticmethod
    def kill_midway(collection, vectorizer, then=None):
        def watch():
            while collection.aggregate.over_all(total_count=True).total_count < 20:
                time.sleep(0.02)
            vectorizer.kill()
            if then is not None:
                time.sleep(1)
                then()

        thread = threading.Thread(target=watch)
        thread.start()
        return thread

    def test_an_import_outlasts_a_restart(self, client, slow, archive, name, capsys):
        collection = collections.create(client, name, slow.url, store_media=True)
        watcher = self.kill_midway(collection, slow, then=slow.start)
        report = collections.import_folder(collection, archive, batch_size=10)
        watcher.join()
        assert (report.imported, report.failed) == (100, [])
        assert "Waiting up to 60 s for the vectorizer" in " ".join(capsys.readouterr().err.split())
        assert_complete(collection, media(archive), ["picture", "picture_and_caption"])

    def test_a_second_import_goes_on_where_the_first_stopped(self, client, slow, archive, name):
        collection = collections.create(client, name, slow.url, store_media=True)
        watcher = self.kill_midway(collection, slow)
        with pytest.raises(UserError, match=r"does not answer Weaviate.*running the same command again") as stopped:
            collections.import_folder(collection, archive, batch_size=10, wait_seconds=1, progress=False)
        watcher.join()
        kept = len(everything(collection))
        assert 20 <= kept < 100
        assert f"{kept} pictures were imported this time" in str(stopped.value)
        with pytest.raises(UserError, match="does not answer Weaviate"):
            collections.by_text(collection, "dog")
        slow.start()
        report = collections.import_folder(collection, archive, batch_size=10, progress=False)
        assert (report.imported, report.unchanged, report.failed) == (100 - kept, kept, [])
        assert_complete(collection, media(archive), ["picture", "picture_and_caption"])


class TestServer:
    def test_a_second_process_shares_the_server_of_the_data_folder(self, client, stand_in, data_folder, filled):
        with collections.connect(stand_in.url, data=data_folder) as second:
            assert second.collections.exists("Filled")
        assert client.is_ready()

    def test_the_server_asks_for_its_key(self, client, data_folder):
        import weaviate

        record = DataFolder(data_folder).read()
        with pytest.raises(Exception, match=r"401|anonymous"):
            weaviate.connect_to_local("127.0.0.1", record.port, record.grpc_port).collections.list_all()

    def test_weaviate_url_is_used_where_it_is_set(self, client, data_folder, filled, monkeypatch):
        record = DataFolder(data_folder).read()
        monkeypatch.setenv("WEAVIATE_URL", f"http://127.0.0.1:{record.port}")
        monkeypatch.setenv("WEAVIATE_GRPC_PORT", str(record.grpc_port))
        monkeypatch.setenv("WEAVIATE_API_KEY", record.api_key)
        with collections.connect() as connected:
            assert names(collections.by_text(connected.collections.use("Filled"), "Hund", limit=1)) == [
                "media/dog.png"
            ]
        monkeypatch.setenv("WEAVIATE_GRPC_PORT", str(free_port()))
        with pytest.raises(UserError, match="WEAVIATE_GRPC_PORT"), collections.connect():
            pass
        monkeypatch.delenv("WEAVIATE_API_KEY")
        with pytest.raises(UserError, match="WEAVIATE_API_KEY"), collections.connect():
            pass

    def test_an_unreachable_weaviate_url_is_one_clear_sentence(self, monkeypatch):
        url = f"http://127.0.0.1:{free_port()}"
        monkeypatch.setenv("WEAVIATE_URL", url)
        with pytest.raises(UserError, match=f"No Weaviate can be used at WEAVIATE_URL={url}"), collections.connect():
            pass

    def test_data_outlast_the_server_and_sigterm_ends_it(self, stand_in, tmp_path):
        code = (
            "import sys, time; from pathlib import Path; from cl2cm_plugin import collections\n"
            "with collections.connect(sys.argv[1], data=Path(sys.argv[2])) as client:\n"
            "    collections.create(client, 'Kept', sys.argv[1])\n"
            "    print('created', flush=True)\n"
            "    time.sleep(60)\n"
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WEAVIATE_")}
        command = [sys.executable, "-c", code, stand_in.url, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout.readline() == "created\n"
        record = DataFolder(tmp_path).read()
        assert is_ours(record)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert not is_ours(record)
        with collections.connect(stand_in.url, data=tmp_path) as again:
            assert again.collections.exists("Kept")
            record = DataFolder(tmp_path).read()
        assert not is_ours(record)


class TestCommand:
    @pytest.fixture(autouse=True)
    def environment(self, client, monkeypatch):
        monkeypatch.delenv("WEAVIATE_URL", raising=False)
        monkeypatch.setenv("COLUMNS", "200")

    def run(self, *arguments):
        return cli.main([str(argument) for argument in arguments])

    def test_import_and_search(self, stand_in, data_folder, archive, name, capsys):
        where = ("--collection", name, "--vectorizer", stand_in.url, "--data", data_folder)
        assert self.run("import", archive, *where, "--captions", "en") == 0
        assert "100 pictures imported, 0 unchanged, 0 failed" in capsys.readouterr().out
        assert self.run("search", "Hund", *where, "--limit", "1") == 0
        assert "media/dog.png" in capsys.readouterr().out
        assert self.run("search", "--picture", archive / "media" / "cat.png", *where, "--limit", "1") == 0
        assert "media/cat.png" in capsys.readouterr().out
        assert self.run("search", "barks", *where, "--hybrid", "--limit", "1") == 0
        assert "loudly" in capsys.readouterr().out
        assert self.run("search", "barks", *where, "--with-captions") == 1
        assert "--store-media" in capsys.readouterr().err
        assert self.run("import", archive, *where, "--captions", "de") == 1
        assert "made for captions in 'en'" in capsys.readouterr().err

    def test_an_unknown_collection_is_one_clear_sentence(self, stand_in, data_folder, capsys):
        where = ("--collection", "Nowhere", "--vectorizer", stand_in.url, "--data", data_folder)
        assert self.run("search", "Hund", *where) == 1
        assert "There is no collection Nowhere" in capsys.readouterr().err
