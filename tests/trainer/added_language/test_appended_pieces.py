"""Pieces that a new language needs are appended to a cut vocabulary; what was there stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from adding import CZECH, GERMAN, SOURCES, encode, loaded, save

from cl2cm_plugin.encoder import model_info, two_tower, vocabulary
from cl2cm_plugin.errors import UserError
from trainer import add_language, corpus, language_texts
from trainer.language_recipe import LanguageAddition
from trainer.methods.language_addition import LanguageAdditionNetwork
from trainer.towers.grown_text import GrownText

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
