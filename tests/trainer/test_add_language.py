"""A language is added to a model: pictures keep their vectors to the bit, the language is learned, others are kept."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import model_info, two_tower, vocabulary
from cl2cm_plugin.encoder import model_store as installing
from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError
from trainer import add_language, corpus, language_texts, translation
from trainer.commands import add_language as add_language_command
from trainer.language_recipe import LanguageAddition
from trainer.methods.language_addition import LanguageAdditionNetwork
from trainer.towers.grown_text import GrownText

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CZECH = {
    "red": "cervena",
    "green": "zelena",
    "blue": "modra",
    "white": "bila",
    "black": "cerna",
    "yellow": "zluta",
    "pink": "ruzova",
    "grey": "seda",
}
SOURCES, TARGETS = list(CZECH), list(CZECH.values())
GERMAN = ["rot", "gruen", "blau", "weiss", "ein bild in blau", "das hat niemand gemalt"]
IMAGE_FILES = "image_*/**/*"


def save(model: SentenceTransformer, folder: Path, **facts: Any) -> Path:
    info = {"name": "cl2cm-de", "languages": ["en", "de"], "vocabulary": "all", "image_size": 32, **facts}
    card = "---\nlanguage: en\n---\n\n# Old card\n\nFigures.\n"
    two_tower.save(model, folder, card, ModelInfo(fingerprint="", dimensions=8, **info))
    return folder


@pytest.fixture
def model(model_of: Any, tmp_path: Path) -> Path:
    """The folder of a model of English and German with all its pieces."""
    return save(model_of(), tmp_path / "model")


@pytest.fixture
def czech(colours: Path) -> Path:
    """The corpus of colours, with English-Czech pairs."""
    lines = ["source\ttarget", *(f"{english}\t{target}" for english, target in CZECH.items())]
    (colours / "pairs" / "en-cs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return colours


@pytest.fixture
def add(model: Path, czech: Path, tmp_path: Path) -> Callable[..., add_language.Added]:
    """Add Czech to the model: ``add(out, replay_weight=0)``."""

    def run(out: str = "new", epochs: int = 30, **choices: Any) -> add_language.Added:
        optimiser = {"epochs": epochs, "batch_size": 4, "lr_projection": 0.005, "lr_backbone": 0.005}
        settings = LanguageAddition.model_validate({"optimiser": optimiser, **choices})
        texts = language_texts.from_corpus(corpus.read(czech), "en", ["cs"], ["en", "de"])
        return add_language.add_language(model, ["cs"], texts, settings, tmp_path / out, "cl2cm-de-cs")

    return run


def loaded(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def encode(folder: Path, texts: list[str]) -> np.ndarray:
    return loaded(folder).encode([{"text": text} for text in texts])


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


@pytest.fixture
def english(text_backbone: Path, image_backbone: Path, tmp_path: Path) -> Path:
    """The folder of a model of English whose vocabulary was cut to a corpus without German."""
    words = {
        piece for piece in vocabulary.pieces_of(text_backbone) if len(piece) == 1 or piece.strip("\u2581") in CZECH
    }
    vocabulary.cut(text_backbone, tmp_path / "cut", words)
    built = two_tower.build(tmp_path / "cut", image_backbone, 8, 32)
    facts = {"languages": ["en"], "name": "cl2cm-en", "vocabulary": "corpus", "text_backbone": str(text_backbone)}
    return save(built, tmp_path / "english", **facts)


@pytest.fixture
def add_german(english: Path, colours: Path, tmp_path: Path) -> Callable[..., add_language.Added]:
    def run(out: str = "grown", epochs: int = 2, model: Path = english, **choices: Any) -> add_language.Added:
        optimiser = {"epochs": epochs, "batch_size": 4, "lr_projection": 0.01, "lr_backbone": 0.01}
        settings = LanguageAddition.model_validate({"optimiser": optimiser, "trained_layers": 1, **choices})
        texts = language_texts.from_corpus(corpus.read(colours), "en", ["de"], ["en"])
        return add_language.add_language(model, ["de"], texts, settings, tmp_path / out, "cl2cm-en-de")

    return run


def rows(folder: Path) -> np.ndarray:
    return two_tower.text_route(loaded(folder))[0].model.get_input_embeddings().weight.detach().numpy()


def test_pieces_that_the_language_needs_are_appended_and_they_alone_are_trained(
    add_german, english, text_backbone, tmp_path
):
    added = add_german()
    old, new = (vocabulary.pieces_of(folder / "text_0_Transformer") for folder in (english, added.folder))
    backbone = dict(zip(vocabulary.pieces_of(text_backbone), rows_of_backbone(text_backbone), strict=True))

    assert new[: len(old)] == old
    assert set(new[len(old) :]) == {
        "\u2581rot",
        "\u2581gruen",
        "\u2581blau",
        "\u2581weiss",
        "\u2581schwarz",
        "\u2581gelb",
    }
    before, after = rows(english), rows(added.folder)
    np.testing.assert_array_equal(after[: len(old)], before)
    fresh = np.stack([backbone[piece] for piece in new[len(old) :]])
    moved = np.abs(after[len(old) :] - fresh).max(axis=1)
    assert (moved > 1e-4).all()
    assert moved.max() < 0.5
    states, kept = (loaded(folder).state_dict() for folder in (english, added.folder))
    changed = {
        key for key in states if states[key].shape == kept[key].shape and not np.array_equal(states[key], kept[key])
    }
    assert changed
    assert all(".layer.2." in key or ".text.2." in key for key in changed), changed


def rows_of_backbone(folder: Path) -> np.ndarray:
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder).get_input_embeddings().weight.detach().numpy()


def test_texts_of_old_languages_keep_their_ids_unless_a_new_piece_fits(add_german, english):
    added = add_german()
    tokenizers = [two_tower.text_route(loaded(folder))[0].tokenizer for folder in (english, added.folder)]

    for text in ("a red picture", "nobody drew this", "black"):
        before, after = (tokenizer(text)["input_ids"] for tokenizer in tokenizers)
        assert before == after
    assert added.measured.appended == 6
    assert (added.measured.resegmented, added.measured.compared) == (0, 13)
    one, other = (tokenizer("rot")["input_ids"] for tokenizer in tokenizers)
    assert one != other


def test_a_run_with_new_pieces_that_was_killed_goes_on_to_the_same_vectors(add_german, killed):
    whole = encode(add_german("whole", epochs=3).folder, [*GERMAN, *SOURCES])
    with killed(LanguageAdditionNetwork, epoch=2):
        add_german("killed", epochs=3)

    np.testing.assert_array_equal(encode(add_german("killed", epochs=3).folder, [*GERMAN, *SOURCES]), whole)


def test_what_is_not_trained_has_no_dropout(english):
    ids = [torch.tensor([0, 5, 6, 2]), torch.tensor([0, 7, 2])]
    trained = {layers: GrownText(loaded(english), layers, known_pieces=20).train() for layers in (0, 1)}

    assert torch.equal(trained[0](ids), trained[0](ids))
    assert not torch.equal(trained[1](ids), trained[1](ids))


def test_new_rows_are_an_embedding_which_muon_leaves_alone(english):
    tower = GrownText(loaded(english), 1, known_pieces=20)
    embeddings = {id(module.weight) for module in tower.modules() if isinstance(module, torch.nn.Embedding)}
    new = [
        parameter for name, parameter in tower.named_parameters() if "embeddings" in name and parameter.requires_grad
    ]

    assert len(new) == 1
    assert id(new[0]) in embeddings


def test_an_older_model_names_its_backbone_on_its_card_or_must_be_told(add_german, english, text_backbone):
    info = replace(model_info.read(english), text_backbone="", vocabulary="")
    model_info.write(english, info)
    with pytest.raises(UserError, match=r"does not say which text backbone.*--text-backbone"):
        add_german()

    card = f"- Text backbone: {text_backbone}; image backbone: x; vocabulary: 43 pieces (corpus)\n"
    (english / "README.md").write_text(card, encoding="utf-8")
    assert add_german().measured.appended == 6


def run(*argv: object) -> int:
    parser = argparse.ArgumentParser()
    add_language_command.register(parser.add_subparsers())
    arguments = parser.parse_args(["add-language", *map(str, argv)])
    return arguments.run(arguments)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A recipe of one epoch."""
    file = tmp_path / "short.yaml"
    file.write_text("optimiser: {epochs: 1, batch_size: 4}\n", encoding="utf-8")
    return file


@pytest.mark.usefixtures("model_store")
def test_the_command_adds_a_language_to_an_installed_model(czech, model, short, tmp_path, monkeypatch, capsys):
    installing.install(model, "cl2cm-de")
    monkeypatch.chdir(tmp_path)
    assert run("cs", "--to", "cl2cm-de", "--data", czech, "--recipe", short) == 0

    info = model_info.read(tmp_path / "build" / "models" / "cl2cm-de-cs")
    assert (info.name, info.languages) == ("cl2cm-de-cs", ["en", "de", "cs"])
    said = capsys.readouterr().out
    assert "need no new import" in said
    assert "Next: cl2cm install build/models/cl2cm-de-cs" in said


def test_a_table_of_pairs_is_enough(czech, model, short, tmp_path):
    table = czech / "pairs" / "en-cs.tsv"
    assert (
        run("cs", "--to", model, "--pairs", table, "--recipe", short, "--out", tmp_path / "a", "--name", "mine") == 0
    )

    assert model_info.read(tmp_path / "a").name == "mine"
    with pytest.raises(UserError, match="--pairs holds one language"):
        run("cs", "fr", "--to", model, "--pairs", table)


class Backwards:
    name = "backwards"

    def translate(self, sentences: list[str]) -> list[str]:
        return [sentence[::-1] for sentence in sentences]


@pytest.mark.parametrize("kind", ["corpus", "table", "lines"])
def test_captions_alone_are_translated(kind, czech, model, short, tmp_path, monkeypatch):
    monkeypatch.setattr(translation, "find_translator", lambda *_: Backwards())
    (tmp_path / "captions.txt").write_text("red\ngreen\n\nblue\nred\n", encoding="utf-8")
    captions = {"corpus": czech, "table": czech / "captions" / "en.tsv", "lines": tmp_path / "captions.txt"}[kind]
    out = tmp_path / "out"
    assert run("cs", "--to", model, "--captions", captions, "--recipe", short, "--out", out) == 0

    pairs = (tmp_path / "out.run" / "pairs" / "en-cs.tsv").read_text(encoding="utf-8").splitlines()
    assert len(pairs) == 1 + {"corpus": 12, "table": 16, "lines": 3}[kind]
    assert "red\tder\tmt-backwards" in pairs
    assert "translated by backwards" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["cs", "--to", "nobody", "--data", "{corpus}"], "No model named 'nobody' is installed"),
        (["xx", "--to", "{model}", "--data", "{corpus}"], "Unknown language 'xx'"),
        (["de", "--to", "{model}", "--data", "{corpus}"], " has de already, among en, de."),
        (["fr", "--to", "{model}", "--data", "{corpus}"], r"no sentence pairs en-fr.*pairs/en-fr\.tsv.*--captions"),
        (["cs", "--to", "{model}", "--data", "{corpus}/absent"], "There is no folder"),
        (["cs", "--to", "{model}", "--data", "{corpus}", "--split", "tset"], "has no split 'tset'"),
        (["cs", "--to", "{model}", "--data", "{corpus}", "--out", "{model}"], "is there already"),
        (["cs", "--to", "{model}", "--pairs", "{corpus}/absent.tsv"], "There is no table"),
        (["cs", "--to", "{model}", "--pairs", "{corpus}/captions/en.tsv"], "lacks the column source and target"),
        (["cs", "--to", "{model}", "--pairs", "{corpus}/empty.tsv"], "holds no sentence pairs"),
        (["cs", "--to", "{model}", "--captions", "{corpus}/absent.txt"], "--captions wants"),
        (["cs", "--to", "{model}", "--captions", "{corpus}/empty.txt"], "holds no captions"),
        (["zu", "--to", "{model}", "--captions", "{corpus}"], "Apertium does not translate en to zu"),
        (["fr", "--to", "{model}", "--captions", "{corpus}", "--beams", "2"], "Apertium searches no beams"),
        (["cs", "--to", "{corpus}", "--data", "{corpus}"], "is a folder without modules.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("model_store")
def test_what_cannot_be_done_is_one_clear_sentence(argv, message, czech, model):
    (czech / "empty.tsv").write_text("source\ttarget\n")
    (czech / "empty.txt").write_text("\n\n")

    with pytest.raises(UserError, match=message):
        run(*(word.format(corpus=czech, model=model) for word in argv))


def test_a_model_without_two_towers_is_refused(model, czech):
    (model / "text_2_Dense" / "model.safetensors").unlink()
    (model / "text_2_Dense" / "config.json").unlink()
    (model / "text_2_Dense").rmdir()

    with pytest.raises(UserError, match=r"no model of two towers.*no text_2_Dense"):
        run("cs", "--to", model, "--data", czech)
