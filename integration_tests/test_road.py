"""The whole road with real parts: pictures, training in two stages, bare name, vectorizer, Weaviate, six languages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
import yaml
from vectorizer_process import free_port

from cl2cm_plugin import cli, collections
from cl2cm_plugin.encoder import model_info, model_store
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table, write_table
from cl2cm_plugin.vectorizer.background import background
from trainer import corpus as corpora
from trainer import recipe as recipes
from trainer.corpus import openmoji
from trainer.fit import fit

pytestmark = pytest.mark.timeout(600)

TARGETS = ["de", "fr", "es", "it", "pt"]
PICTURES = 300
NAME = "cl2cm-road"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A small part of OpenMoji in the captioned-media format."""
    whole = openmoji.build(tmp_path_factory.mktemp("openmoji"))
    folder = tmp_path_factory.mktemp("archive")
    kept = (whole / "splits" / "train.txt").read_text().split()[:PICTURES]
    for media_id in kept:
        target = folder / "media" / f"{media_id}.png"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(whole / "media" / f"{media_id}.png", target)
    names = {}
    for language in ["en", *TARGETS]:
        rows = [
            row
            for row in read_table(whole / "captions" / f"{language}.tsv", ("media_id", "caption"))
            if row[0] in set(kept)
        ]
        write_table(folder / "captions" / f"{language}.tsv", ("media_id", "caption"), rows)
        names[language] = dict(rows)
    for language in TARGETS:
        rows = [(names["en"][media_id], names[language][media_id]) for media_id in kept]
        write_table(folder / "pairs" / f"en-{language}.tsv", ("source", "target"), rows)
    (folder / "splits").mkdir()
    (folder / "splits" / "train.txt").write_text("\n".join(kept))
    (folder / "corpus.yaml").write_text(yaml.safe_dump({"name": "road", "attribution": openmoji.ATTRIBUTION}))
    return folder


@pytest.fixture(scope="module")
def runs(archive, tmp_path_factory):
    """Two runs: a trained one, and one that saw its data once."""
    corpus = corpora.read(archive)
    recipe = recipes.load("openmoji", name=NAME, target_languages=TARGETS)
    short = recipe.model_dump()
    for stage in ("cross_lingual", "cross_modal"):
        short[stage]["optimiser"]["epochs"] = 1
    return [
        fit(each, corpus, tmp_path_factory.mktemp("runs") / "run")
        for each in (recipe, recipes.Recipe.model_validate(short))
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An empty model store for this module, for its child processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path_factory.mktemp("store")))
        patch.delenv("WEAVIATE_URL", raising=False)
        yield


@pytest.fixture(scope="module")
def vectorizer(runs, store):
    """The first run's model, installed under its bare name and served."""
    model_store.install(runs[0].model, NAME)
    with background(NAME) as running:
        yield running


@pytest.fixture(scope="module")
def weaviate_data(tmp_path_factory):
    return tmp_path_factory.mktemp("weaviate-road")


@pytest.fixture(scope="module")
def road_client(vectorizer, weaviate_data):
    with collections.connect(vectorizer.url, data=weaviate_data) as connected:
        yield connected


@pytest.fixture(scope="module")
def pictures(road_client, vectorizer, archive):
    """The archive, imported with its English captions."""
    collection = collections.create(road_client, "Road", vectorizer.url, store_media=True)
    report = collections.import_folder(collection, archive, progress=False)
    assert (report.imported, report.failed) == (PICTURES, [])
    return collection


def names_in(archive, language):
    return list(read_table(archive / "captions" / f"{language}.tsv", ("media_id", "caption")))


def files(found):
    return [str(entry.properties["file"]) for entry in found.objects]


@pytest.mark.parametrize("language", ["en", *TARGETS])
def test_names_in_six_languages_find_their_pictures(pictures, archive, language):
    asked = names_in(archive, language)[::15]
    hits = sum(
        f"media/{media_id}.png" in files(collections.by_text(pictures, name, limit=5)) for media_id, name in asked
    )
    # Names that training saw: chance would be 5 of 300.
    assert hits >= 0.8 * len(asked)


def test_a_picture_finds_itself(pictures, archive):
    file = sorted((archive / "media").iterdir())[7]
    nearest = collections.by_picture(pictures, file, limit=3).objects[0]
    assert nearest.properties["file"] == f"media/{file.name}"
    assert nearest.metadata.distance == pytest.approx(0, abs=1e-4)


def test_captions_and_words_find_a_picture_by_its_english_name(pictures, archive):
    media_id, name = names_in(archive, "en")[42]
    wanted = f"media/{media_id}.png"
    assert files(collections.hybrid(pictures, name, limit=3))[0] == wanted
    assert wanted in files(collections.by_text(pictures, name, limit=3, target="picture_and_caption"))


def test_weaviate_keeps_the_vectors_that_the_model_gives(pictures, archive, store):
    from PIL import Image
    from sentence_transformers import SentenceTransformer

    import cl2cm_plugin  # noqa: F401 - the bare name

    model = SentenceTransformer(NAME)
    media_id, _ = names_in(archive, "en")[3]
    expected = model.encode([Image.open(archive / "media" / f"{media_id}.png").convert("RGB")])[0]
    stored = next(e for e in pictures.iterator(include_vector=True) if e.properties["file"] == f"media/{media_id}.png")
    assert stored.vector["picture"] == pytest.approx(expected.tolist(), abs=1e-4)


def test_one_bad_picture_among_a_hundred_fails_alone(road_client, vectorizer, archive, tmp_path):
    for file in sorted((archive / "media").iterdir())[:99]:
        shutil.copy(file, tmp_path)
    whole = sorted(tmp_path.iterdir())[0].read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    collection = collections.create(road_client, "Broken", vectorizer.url)
    report = collections.import_folder(collection, tmp_path, progress=False)
    assert report.imported == 99
    assert [file for file, _ in report.failed] == ["broken.png"]
    assert collection.aggregate.over_all(total_count=True).total_count == 99


def test_an_import_survives_the_death_of_the_vectorizer(road_client, runs, store, archive):
    port = free_port()
    with background(runs[0].model, port=port) as first:
        collection = collections.create(road_client, "Killed", first.url)

        def kill_after_some():
            while (collection.aggregate.over_all(total_count=True).total_count or 0) < 50:
                time.sleep(0.02)
            first.kill()

        killer = threading.Thread(target=kill_after_some)
        killer.start()
        with pytest.raises(UserError, match="imported"):
            collections.import_folder(collection, archive, batch_size=10, wait_seconds=2, progress=False)
        killer.join()
    before = collection.aggregate.over_all(total_count=True).total_count
    assert 50 <= before < PICTURES
    with background(runs[0].model, port=port):
        report = collections.import_folder(collection, archive, progress=False)
    assert (report.unchanged, report.imported, report.failed) == (before, PICTURES - before, [])
    stored = list(collection.iterator(include_vector=True))
    assert len({entry.properties["file"] for entry in stored}) == len(stored) == PICTURES
    assert all(len(entry.vector["picture"]) == 256 for entry in stored)


def test_another_model_is_refused_with_a_clear_sentence(
    pictures, road_client, runs, store, archive, weaviate_data, capsys
):
    ours, other = (model_info.read(run.model).identity for run in runs)
    assert ours != other
    with background(runs[1].model) as wrong:
        with pytest.raises(collections.ModelMismatch, match=f"{ours}.*{other}"):
            collections.open_collection(road_client, "Road", wrong.url)
        common = ["--collection", "Road", "--vectorizer", wrong.url, "--data", str(weaviate_data)]
        for command in (["search", "Hund", *common], ["import", str(archive), *common]):
            assert cli.main(command) == 1
            assert f"was made with the model {ours}" in capsys.readouterr().err


def test_the_figures_of_a_model_come_as_a_table_and_as_json(runs, archive, tmp_path, capsys):
    file = tmp_path / "figures.json"
    command = ["evaluate", str(runs[0].model), "--data", str(archive), "--languages", "en", "de", "--json", str(file)]
    assert cli.main(command) == 0
    figures = json.loads(file.read_text())
    assert set(figures) == {"en", "de"}
    assert figures["de"]["text_to_image"]["r10"] > 90
    assert "SumR" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["train", "openmoji", "--data", "nowhere"], "There is no folder nowhere"),
        (["train", "no-recipe", "--data", "openmoji"], "There is no recipe 'no-recipe'"),
        (["evaluate", "cl2cm-nothing", "--data", "nowhere"], "cl2cm-nothing"),
        (["serve", "cl2cm-nothing"], "cl2cm-nothing"),
        (["demo", "--target", "xx"], "no pictures named in 'xx'"),
        (["import", "nowhere", "--collection", "Photos"], "nowhere"),
    ],
)
def test_what_does_not_exist_is_one_clear_sentence(store, command, sentence, capsys):
    assert cli.main(command) == 1
    captured = capsys.readouterr().err
    assert captured.startswith("cl2cm: ")
    assert sentence in captured


def test_a_taken_port_is_one_clear_sentence(vectorizer, store):
    port = vectorizer.url.rpartition(":")[2]
    command = [sys.executable, "-m", "cl2cm_plugin.cli", "serve", NAME, "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unreachable_weaviate_is_one_clear_sentence(vectorizer, archive, monkeypatch, capsys):
    monkeypatch.setenv("WEAVIATE_URL", f"http://127.0.0.1:{free_port()}")
    command = ["import", str(archive), "--collection", "Nowhere", "--vectorizer", vectorizer.url]
    assert cli.main(command) == 1
    assert os.environ["WEAVIATE_URL"] in capsys.readouterr().err


def test_a_caption_table_with_a_wrong_column_is_one_clear_sentence(archive, tmp_path, capsys):
    shutil.copytree(archive, tmp_path / "archive")
    table = tmp_path / "archive" / "captions" / "en.tsv"
    table.write_text(table.read_text().replace("media_id", "picture", 1))
    assert cli.main(["train", "openmoji", "--data", str(tmp_path / "archive")]) == 1
    assert "lacks the column media_id" in capsys.readouterr().err
