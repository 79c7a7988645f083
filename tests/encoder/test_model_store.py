"""Installing, finding and removing models: what lies in the store before, during and after."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cl2cm_plugin import UserError
from cl2cm_plugin import path as installed_path
from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.encoder import model_store as store

BASE = "sentence_transformers.base.modules"
POOLING = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"


def write_json(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def describe(folder, *modules):
    """Write modules.json for (type, folder) pairs."""
    entries = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (kind, path) in enumerate(modules)]
    write_json(folder / "modules.json", entries)


@pytest.fixture
def folder(tmp_path):
    """The files of a text model of 12 dimensions, without cl2cm.json; its weights are any bytes."""
    folder = tmp_path / "trained"
    describe(
        folder, (f"{BASE}.transformer.Transformer", ""), (POOLING, "1_Pooling"), (f"{BASE}.dense.Dense", "2_Dense")
    )
    (folder / "model.safetensors").write_bytes(b"weights")
    write_json(folder / "1_Pooling/config.json", {"embedding_dimension": 16, "pooling_mode": "mean"})
    write_json(folder / "2_Dense/config.json", {"out_features": 12})
    return folder


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def repository(model_store, name):
    return model_store / f"models--sentence-transformers--{name}"


def test_an_installed_model_lies_where_the_hub_cache_keeps_a_download(folder, model_store):
    installed = store.install(folder, "cl2cm-de")
    revision = (repository(model_store, "cl2cm-de") / "refs/main").read_text()
    assert installed == repository(model_store, "cl2cm-de") / "snapshots" / revision
    assert len(revision) == 40
    assert set(revision) <= set("0123456789abcdef")


def test_the_files_are_copies_that_a_later_training_cannot_change(folder, model_store):
    before = contents(folder)
    installed = store.install(folder, "cl2cm-de")
    (folder / "model.safetensors").write_bytes(b"trained on")
    copied = contents(installed)
    copied.pop("cl2cm.json")
    assert copied == before


def test_the_installed_copy_says_its_new_name_and_keeps_its_facts(tiny_model_folder, model_store):
    installed = store.install(tiny_model_folder, "cl2cm-other")
    original = model_info.read(tiny_model_folder)
    info = model_info.read(installed)
    assert info.identity == f"cl2cm-other@{original.fingerprint}"
    assert (info.languages, info.licence, info.dimensions) == (["en", "de"], "Apache-2.0", 8)
    assert original.name == "cl2cm-tiny"


def test_a_fingerprint_that_no_longer_fits_the_files_is_taken_anew(folder, model_store):
    model_info.write(folder, model_info.ModelInfo("cl2cm-de", "0" * 16, 12))
    assert model_info.read(store.install(folder, "cl2cm-de")).fingerprint == model_info.fingerprint(folder)


def test_facts_are_worked_out_for_a_model_without_them(tiny_model_folder, tmp_path, model_store):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model_folder, bare, ignore=shutil.ignore_patterns("cl2cm.json"))
    info = model_info.read(store.install(bare, "cl2cm-tiny"))
    assert (info.dimensions, info.fingerprint) == (8, model_info.fingerprint(tiny_model_folder))


@pytest.mark.parametrize(
    ("pooling", "dimensions"),
    [
        ({"embedding_dimension": 16, "pooling_mode": "mean"}, 16),
        ({"embedding_dimension": 16, "pooling_mode": ["mean", "max"]}, 32),
        ({"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, 16),
    ],
)
def test_without_a_dense_layer_pooling_sets_the_dimensions(folder, model_store, pooling, dimensions):
    describe(folder, (f"{BASE}.transformer.Transformer", ""), (POOLING, "1_Pooling"))
    write_json(folder / "1_Pooling/config.json", pooling)
    assert model_info.read(store.install(folder, "cl2cm-de")).dimensions == dimensions


def test_truncated_vectors_have_the_truncated_dimensions(folder, model_store):
    write_json(folder / "config_sentence_transformers.json", {"truncate_dim": 4})
    assert model_info.read(store.install(folder, "cl2cm-de")).dimensions == 4


def test_installing_the_same_again_changes_nothing(folder, model_store):
    first = store.install(folder, "cl2cm-de")
    inode = first.stat().st_ino
    assert store.install(folder, "cl2cm-de") == first
    assert store.install(first, "cl2cm-de") == first
    assert first.stat().st_ino == inode
    assert [entry.name for entry in first.parent.iterdir()] == [first.name]


def test_installing_again_repairs_a_damaged_copy(folder, model_store):
    installed = store.install(folder, "cl2cm-de")
    (installed / "model.safetensors").write_bytes(b"damaged")
    assert store.install(folder, "cl2cm-de") == installed
    assert (installed / "model.safetensors").read_bytes() == b"weights"


def test_a_new_version_replaces_the_earlier_one_and_what_a_crash_left(folder, model_store):
    earlier = store.install(folder, "cl2cm-de")
    (earlier.parent / "incoming-0123" / "half").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"better weights")
    new = store.install(folder, "cl2cm-de")
    assert new != earlier
    assert list(new.parent.iterdir()) == [new]
    assert store.find("cl2cm-de") == new


@pytest.mark.parametrize("step", ["model_folder.copy", "model_folder.content_hash", "_set_revision"])
def test_a_crash_in_the_middle_leaves_the_earlier_version_in_use(folder, model_store, monkeypatch, step):
    earlier = store.install(folder, "cl2cm-de")
    (folder / "model.safetensors").write_bytes(b"better weights")

    def crash(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"cl2cm_plugin.encoder.model_store.{step}", crash)
        with pytest.raises(KeyboardInterrupt):
            store.install(folder, "cl2cm-de")
    assert store.find("cl2cm-de") == earlier
    assert (earlier / "model.safetensors").read_bytes() == b"weights"


def test_concurrent_installations_end_with_one_complete_model(folder, tmp_path, model_store):
    folders = [shutil.copytree(folder, tmp_path / str(number)) for number in range(4)]
    for number, copy in enumerate(folders):
        (copy / "model.safetensors").write_bytes(f"weights {number}".encode())
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda copy: store.install(copy, "cl2cm-de"), folders))
    current = store.find("cl2cm-de")
    assert current in paths
    assert list(current.parent.iterdir()) == [current]
    assert (current / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "name", ["", "a/b", "../x", "..", "a..b", "a--b", "-a", "a.", "a b", "ä", "x.git", "a" * 75, "a\n"]
)
def test_a_name_that_the_hub_would_not_take_is_refused(folder, model_store, name):
    with pytest.raises(UserError, match="cannot be a model's name"):
        store.install(folder, name)
    assert store.find(name) is None
    assert not model_store.exists()


@pytest.mark.parametrize("name", ["a", "cl2cm-de", "Cl2cm_de.v1", "a" * 74])
def test_every_name_that_is_accepted_is_one_that_the_hub_takes(folder, model_store, name):
    from huggingface_hub.utils import validate_repo_id

    store.install(folder, name)
    validate_repo_id(f"sentence-transformers/{name}")


def test_a_module_of_foreign_code_is_refused(folder, model_store):
    describe(folder, ("my_package.Scale", ""))
    with pytest.raises(UserError, match=r"my_package\.Scale.*trust_remote_code"):
        store.install(folder, "cl2cm-de")


def test_a_module_of_foreign_code_inside_a_router_is_refused(folder, model_store):
    write_json(folder / "router_config.json", {"types": {"text_0": "my_package.Scale"}, "structure": {}})
    with pytest.raises(UserError, match=r"router_config\.json names the module 'my_package\.Scale'"):
        store.install(folder, "cl2cm-de")


@pytest.mark.parametrize("file", ["pytorch_model.bin", "2_Dense/weights.pt", "optimizer.pth", "state.pkl"])
def test_pickled_weights_are_refused(folder, model_store, file):
    (folder / file).write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match=r"may be a pickle.*safetensors"):
        store.install(folder, "cl2cm-de")


def test_openvino_weights_are_no_pickle(folder, model_store):
    (folder / "text.bin").write_bytes(b"\0")
    (folder / "text.xml").write_text("<net/>")
    assert (store.install(folder, "cl2cm-de") / "text.bin").is_file()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no folder"),
        (lambda folder: (folder / "modules.json").unlink(), r"has no modules\.json"),
        (lambda folder: (folder / "modules.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "modules.json").write_text("[1]"), "does not list a model's modules"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no weights"),
        (lambda folder: describe(folder, (f"{BASE}.normalize.Normalize", "")), "length of the model's vectors"),
        (lambda folder: (folder / "3_Dense").symlink_to(folder / "2_Dense"), "is a link to a folder"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_and_leaves_nothing_behind(folder, model_store, spoil, message):
    spoil(folder)
    with pytest.raises(UserError, match=message):
        store.install(folder, "cl2cm-de")
    assert store.installed() == []
    assert not list(model_store.glob("models--*/snapshots/*"))


def test_hidden_files_stay_behind(folder, model_store):
    write_json(folder / ".git/config", {})
    (folder / ".gitattributes").write_text("")
    assert not [file for file in contents(store.install(folder, "cl2cm-de")) if file.startswith(".")]


def download(model_store, name):
    """What huggingface_hub leaves behind after a download."""
    snapshot = repository(model_store, name) / "snapshots" / ("a" * 40)
    write_json(snapshot / "modules.json", [])
    (repository(model_store, name) / "refs").mkdir()
    (repository(model_store, name) / "refs/main").write_text("a" * 40)
    return snapshot


def test_an_ordinary_download_is_not_listed_replaced_or_removed(folder, model_store):
    snapshot = download(model_store, "all-MiniLM-L6-v2")
    assert store.installed() == []
    assert store.find("all-MiniLM-L6-v2") is None
    with pytest.raises(UserError, match="downloaded from the hub"):
        store.install(folder, "all-MiniLM-L6-v2")
    with pytest.raises(UserError, match="No model named 'all-MiniLM-L6-v2' is installed"):
        store.remove("all-MiniLM-L6-v2")
    assert (snapshot / "modules.json").is_file()


def test_nothing_behind_a_link_is_changed_or_removed(folder, tmp_path, model_store):
    store.install(folder, "cl2cm-de")
    elsewhere = tmp_path / "elsewhere"
    repository(model_store, "cl2cm-de").rename(elsewhere)
    repository(model_store, "cl2cm-de").symlink_to(elsewhere)
    before = contents(elsewhere)
    (folder / "model.safetensors").write_bytes(b"better weights")
    with pytest.raises(UserError, match="is a link"):
        store.install(folder, "cl2cm-de")
    with pytest.raises(UserError, match="is a link"):
        store.remove("cl2cm-de")
    assert contents(elsewhere) == before


def test_a_link_among_the_snapshots_is_removed_but_not_what_it_points_to(folder, tmp_path, model_store):
    installed = store.install(folder, "cl2cm-de")
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "file").write_text("keep")
    (installed.parent / ("b" * 40)).symlink_to(treasure)
    store.install(folder, "cl2cm-de")
    assert (treasure / "file").read_text() == "keep"
    assert list(installed.parent.iterdir()) == [installed]


def test_models_are_listed_by_name_with_their_size(folder, tiny_model_folder, model_store):
    assert store.installed() == []
    store.install(tiny_model_folder, "cl2cm-tiny")
    path = store.install(folder, "cl2cm-de")
    first, second = store.installed()
    assert (first.name, first.path, first.info.dimensions) == ("cl2cm-de", path, 12)
    assert first.size == sum(len(content) for content in contents(path).values())
    assert second.name == "cl2cm-tiny"


def test_one_damaged_model_does_not_hide_the_others(folder, model_store, caplog):
    (store.install(folder, "broken") / "cl2cm.json").write_text("{")
    store.install(folder, "cl2cm-de")
    assert [model.name for model in store.installed()] == ["cl2cm-de"]
    assert "is damaged" in caplog.text


def test_a_removed_model_is_gone(folder, model_store):
    store.install(folder, "cl2cm-de")
    store.install(folder, "cl2cm-fr")
    store.remove("cl2cm-de")
    assert not repository(model_store, "cl2cm-de").exists()
    assert [model.name for model in store.installed()] == ["cl2cm-fr"]


def test_an_unknown_name_is_answered_with_the_closest_ones_and_what_to_do(folder, model_store):
    with pytest.raises(UserError, match=r"No model named 'cl2cm-de' is installed\. .* holds none yet.*cl2cm train"):
        installed_path("cl2cm-de")
    for name in ("zebra", "cl2cm-de", "cl2cm-fr"):
        store.install(folder, name)
    with pytest.raises(UserError, match=r"Installed in .*: cl2cm-de, cl2cm-fr, zebra\..*cl2cm install FOLDER"):
        store.remove("cl2cm-dee")


def test_a_name_or_a_folder_is_resolved_a_folder_with_a_model_first(folder, model_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    installed = store.install(folder, "cl2cm-de")
    assert store.resolve("cl2cm-de") == installed_path("cl2cm-de") == installed
    assert store.resolve("trained") == Path("trained")
    Path("cl2cm-de").mkdir()
    assert store.resolve("cl2cm-de") == installed
    shutil.copytree(folder, "cl2cm-de", dirs_exist_ok=True)
    assert store.resolve("cl2cm-de") == Path("cl2cm-de")


def test_what_is_neither_name_nor_folder_is_answered_with_both(folder, model_store, tmp_path):
    with pytest.raises(UserError, match=r"No model named '.*nowhere' is installed, and /.*nowhere is no folder"):
        store.resolve(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"is a folder without modules\.json"):
        store.resolve(str(tmp_path))


def test_a_store_that_cannot_be_written_is_one_clear_sentence(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="could not be changed"):
        store.install(folder, "cl2cm-de")


def test_the_store_is_the_cache_of_the_hub_unless_sentence_transformers_has_its_own(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    assert store.store_folder() == tmp_path
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert store.store_folder() == tmp_path / "hub"
