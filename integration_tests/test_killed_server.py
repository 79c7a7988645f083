"""Imports during which Weaviate is killed with ``kill -9`` and started again on its data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from uuid import uuid4

import pytest
from PIL import Image
from vectorizer_process import VectorizerProcess
from weaviate_process import WeaviateProcess

from cl2cm_plugin import UserError, collections
from cl2cm_plugin.collections.importer import object_id

pytestmark = pytest.mark.timeout(240)
PICTURES = 120
VECTORS = ["picture", "picture_and_caption"]
IMPORT = """
import sys
from pathlib import Path
from cl2cm_plugin import collections

with collections.connect() as client:
    collections.import_folder(client.collections.use(sys.argv[1]), Path(sys.argv[2]), batch_size=10, progress=False)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of one colour each, all different, with a caption each."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "media").mkdir()
    (folder / "captions").mkdir()
    rows = ["media_id\tcaption"]
    for number in range(PICTURES):
        Image.new("RGB", (32, 24), (number, 2 * number, 255 - number)).save(folder / "media" / f"{number:03}.png")
        rows.append(f"{number:03}\ta picture called number{number}")
    (folder / "captions" / "en.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def vectorizer():
    vectorizer = VectorizerProcess().start(delay=0.02)
    yield vectorizer
    vectorizer.kill()


@pytest.fixture(scope="module")
def killable_server(vectorizer, tmp_path_factory):
    server = WeaviateProcess(tmp_path_factory.mktemp("killable") / "weaviate", vectorizer.url)
    yield server
    server.kill()


@pytest.fixture
def server(killable_server):
    """It runs when a test begins, whatever the one before did to it."""
    return killable_server.start()


@pytest.fixture
def name(server, vectorizer):
    """A fresh collection's name."""
    return create(server, vectorizer)


def create(server, vectorizer):
    name = f"Test_{uuid4().hex[:8]}"
    with server.connected() as client:
        collections.create(client, name, vectorizer.url, store_media=True)
    return name


def import_it(server, name, folder, **options):
    with server.connected() as client:
        return collections.import_folder(
            client.collections.use(name), folder, batch_size=10, progress=False, **options
        )


def when_halfway(server, name, act):
    """Act once half of the pictures are there."""

    def watch():
        with server.connected() as client:
            collection = client.collections.use(name)
            while collection.aggregate.over_all(total_count=True).total_count < PICTURES // 2:
                time.sleep(0.02)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def restart(server, *, torn=False):
    server.kill()
    if torn:
        server.lose_the_end_of_its_indexes()
    server.start()


def lost(server, name):
    """Look each object up by each of its vectors, and by its caption; give the files not found, and by what."""
    with server.connected() as client:
        collection = client.collections.use(name)
        objects = list(collection.iterator(include_vector=True))
        assert sorted(found.uuid for found in objects) == sorted(
            object_id(f"media/{number:03}.png") for number in range(PICTURES)
        )
        missed = set()
        for found in objects:
            assert {vector: len(found.vector[vector]) for vector in VECTORS} == dict.fromkeys(VECTORS, 64)
            searches = {
                vector: collection.query.near_vector(found.vector[vector], target_vector=vector, limit=1)
                for vector in VECTORS
            }
            word = found.properties["caption"].split()[-1]
            searches["caption"] = collection.query.bm25(word, query_properties=["caption"], limit=1)
            missed |= {
                (found.properties["file"], by)
                for by, search in searches.items()
                if [hit.uuid for hit in search.objects] != [found.uuid]
            }
        return missed


def test_an_import_outlasts_the_server_and_every_object_is_found(server, name, folder):
    watcher = when_halfway(server, name, lambda: restart(server))
    report = import_it(server, name, folder)
    watcher.join()
    assert (report.imported, report.failed) == (PICTURES, [])
    assert lost(server, name) == set()


def test_an_import_mends_what_the_server_lost_meanwhile(server, name, folder):
    watcher = when_halfway(server, name, lambda: restart(server, torn=True))
    report = import_it(server, name, folder)
    watcher.join()
    assert (report.imported, report.failed) == (PICTURES, [])
    assert report.mended > 0
    assert f"{report.mended} pictures that no search found" in str(report)
    assert lost(server, name) == set()


def test_a_new_importer_mends_what_was_lost_when_importer_and_server_were_killed(server, name, folder):
    command = [sys.executable, "-c", IMPORT, name, str(folder)]
    with subprocess.Popen(command, env=os.environ | server.variables) as importer:
        when_halfway(server, name, server.kill).join()
        importer.kill()
    server.lose_the_end_of_its_indexes()
    server.start()
    report = import_it(server, name, folder)
    assert (report.imported + report.unchanged, report.failed) == (PICTURES, [])
    assert report.unchanged > 0
    assert report.mended > 0
    assert lost(server, name) == set()
    again = import_it(server, name, folder)
    assert (again.unchanged, again.mended) == (PICTURES, 0)


def test_what_was_imported_outlasts_a_kill_at_any_later_time(server, name, folder):
    import_it(server, name, folder)
    restart(server)
    assert lost(server, name) == set()


def test_an_index_that_is_filled_in_the_background_is_not_taken_for_a_damaged_one(vectorizer, folder, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASYNC_INDEXING", "true")
        server = WeaviateProcess(tmp_path / "weaviate", vectorizer.url).start()
    try:
        name = create(server, vectorizer)
        report = import_it(server, name, folder)
        assert (report.imported, report.mended, report.failed) == (PICTURES, 0, [])
        assert lost(server, name) == set()
    finally:
        server.kill()


def test_a_server_that_stays_away_stops_the_import_soon(server, name, folder):
    watcher = when_halfway(server, name, server.kill)
    start = time.monotonic()
    with pytest.raises(UserError, match=r"Weaviate server .*running the same command again goes on from there"):
        import_it(server, name, folder, wait_seconds=1)
    watcher.join()
    assert time.monotonic() - start < 120
