"""A language is added to a model: pictures keep their vectors to the bit, the language is learned, others are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from adding import GERMAN, SOURCES, TARGETS, encode, loaded
from PIL import Image

from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.encoder import model_store as installing
from cl2cm_plugin.encoder.model_info import ModelInfo
from trainer import add_language, corpus, language_texts
from trainer.language_recipe import LanguageAddition
from trainer.methods.language_addition import LanguageAdditionNetwork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGE_FILES = "image_*/**/*"


@pytest.fixture
def add(model: Path, czech: Path, tmp_path: Path) -> Callable[..., add_language.Added]:
    """Add Czech to the model: ``add(out, replay_weight=0)``."""

    def run(out: str = "new", epochs: int = 30, **choices: Any) -> add_language.Added:
        optimiser = {"epochs": epochs, "batch_size": 4, "lr_projection": 0.005, "lr_backbone": 0.005}
        settings = LanguageAddition.model_validate({"optimiser": optimiser, **choices})
        texts = language_texts.from_corpus(corpus.read(czech), "en", ["cs"], ["en", "de"])
        return add_language.add_language(model, ["cs"], texts, settings, tmp_path / out, "cl2cm-de-cs")

    return run


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1)


def test_every_picture_keeps_its_vector_to_the_bit(add, model, czech):
    added = add()
    pictures = [Image.open(file).convert("RGB") for file in sorted((czech / "media").iterdir())]

    np.testing.assert_array_equal(loaded(added.folder).encode(pictures), loaded(model).encode(pictures))
    files = [file.relative_to(model) for file in model.glob(IMAGE_FILES) if file.is_file()]
    assert len(files) > 4
    for file in files:
        assert (added.folder / file).read_bytes() == (model / file).read_bytes()
    assert len([file for file in added.folder.glob(IMAGE_FILES) if file.is_file()]) == len(files)


def test_the_new_language_comes_closer_to_the_old_vectors_of_its_sources(add, model):
    sources, before = encode(model, SOURCES), encode(model, TARGETS)
    added = add()
    after = encode(added.folder, TARGETS)

    assert cosines(after, sources).mean() > cosines(before, sources).mean() + 0.2
    assert added.measured.learned == pytest.approx(cosines(after, sources).mean(), abs=0.01)
    assert added.measured.before == pytest.approx(cosines(before, sources).mean(), abs=0.01)


@pytest.mark.forks
def test_two_processes_learn_a_language_as_one_does(add, czech):
    pairs = czech / "pairs" / "en-cs.tsv"
    # One batch an epoch, of seven pairs: the shares of the processes differ.
    pairs.write_text("\n".join(pairs.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", encoding="utf-8")
    settings: dict[str, Any] = {
        "optimiser": {"epochs": 3, "batch_size": 64, "lr_projection": 0.01},
        "trained_layers": 0,
        "word_alignment": {"weight": 0.5},
    }
    one, two = (
        encode(add(str(devices), compute={"devices": devices, "precision": "float32"}, **settings).folder, TARGETS)
        for devices in (1, 2)
    )

    np.testing.assert_allclose(two, one, atol=1e-5)


def test_replay_keeps_the_languages_already_there(add, model):
    moved = {}
    for weight in (0, 20):
        added = add(f"replay-{weight}", replay_weight=weight)
        kept = cosines(encode(added.folder, [*GERMAN, *SOURCES]), encode(model, [*GERMAN, *SOURCES]))
        moved[weight] = 1 - kept.mean()
        assert added.measured.kept == pytest.approx(kept.mean(), abs=0.1)

    assert moved[20] < 0.8 * moved[0]


def test_only_upper_layers_and_the_projection_of_the_text_tower_change(add, model):
    added = add(epochs=2, trained_layers=1)
    before, after = (loaded(folder).state_dict() for folder in (model, added.folder))
    changed = {key for key in before if not np.array_equal(before[key], after[key])}

    assert before.keys() == after.keys()
    assert changed
    assert all(".layer.2." in key or "text_2" in key or ".text.2." in key for key in changed), changed


def test_more_layers_than_the_backbone_has_are_all_of_them(add):
    assert add(epochs=1, trained_layers=99).folder.is_dir()


def test_the_new_model_says_what_it_is_and_where_it_comes_from(add, model):
    old = model_info.read(model)
    added = add(epochs=1)
    info = model_info.read(added.folder)

    assert info == added.info
    assert (info.name, info.languages) == ("cl2cm-de-cs", ["en", "de", "cs"])
    assert info.fingerprint == model_info.fingerprint(added.folder) != old.fingerprint
    assert info.image_fingerprint == model_info.image_fingerprint(model)
    assert info.extends == [old.identity]
    assert info.identities == [info.identity, old.identity]
    card = (added.folder / "README.md").read_text(encoding="utf-8")
    for line in (
        "# cl2cm-de-cs",
        f"`{old.identity}`",
        "colours, 8 sentence pairs",
        "replay_weight: 4.0",
        "### Old card",
    ):
        assert line in card
    assert "language: en\n" not in card


@pytest.mark.usefixtures("model_store")
def test_an_installed_copy_still_says_what_it_extends(add):
    added = add(epochs=1)

    assert model_info.read(installing.install(added.folder, "cl2cm-de-cs")) == added.info


def test_the_image_fingerprint_is_that_of_the_image_tower_alone(model):
    before = model_info.image_fingerprint(model)
    assert len(before) == 16
    weights = model / "text_2_Dense" / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    assert model_info.image_fingerprint(model) == before
    weights = model / "image_1_Dense" / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    assert model_info.image_fingerprint(model) != before
    assert model_info.image_fingerprint(model / "text_2_Dense") == ""
    assert ModelInfo("a", "b", 1).identities == ["a@b"]


def test_no_caption_that_people_wrote_in_another_language_and_none_of_a_test_split_is_read(czech):
    texts = language_texts.from_corpus(corpus.read(czech), "en", ["cs"], ["en", "de"])

    assert "ein bild in rot" in texts.known
    assert "a red picture" in texts.known
    assert not [text for text in texts.known if "GIFT" in text or "pink" in text]
    assert not set(texts.known) & set(texts.sources)


def test_a_killed_run_goes_on_to_the_same_vectors(add, tmp_path, monkeypatch, killed):
    texts = [*TARGETS, *GERMAN, *SOURCES]
    whole = encode(add("whole", epochs=3).folder, texts)
    reseed = LanguageAdditionNetwork.on_train_epoch_start
    seen = []

    def note(self: Any) -> None:
        seen.append(self.current_epoch)
        reseed(self)

    with killed(LanguageAdditionNetwork):
        add("killed", epochs=3)
    assert not (tmp_path / "killed").exists()
    assert [file.name for file in (tmp_path / "killed.run").rglob("*.ckpt")] == ["last.ckpt"]
    monkeypatch.setattr(LanguageAdditionNetwork, "on_train_epoch_start", note)
    resumed = encode(add("killed", epochs=3).folder, texts)

    assert seen == [1, 2]
    np.testing.assert_array_equal(resumed, whole)
    assert not (tmp_path / "killed.run").exists()
