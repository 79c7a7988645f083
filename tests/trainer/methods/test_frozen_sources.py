"""Stage 1 with frozen sources: translations go where the untrained backbone has their sources."""

from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from sentence_transformers import SentenceTransformer

from trainer import corpus, fit, recipe
from trainer.corpus.training_data import CaptionedPicture, SentencePair, TrainingData
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.objectives.contrastive import contrastive
from trainer.objectives.word_alignment import transport_distance
from trainer.stages import Stages
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAIRS = [SentencePair(f"source {n}", f"target {n}", n) for n in range(3)]
FIRST = {"epochs": 2, "batch_size": 4, "lr_projection": 0.01}
FROZEN = {"sources": {"form": "frozen"}}


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network(model_of: Callable[[], SentenceTransformer]) -> Callable[..., CrossLingualNetwork]:
    """Stage 1 with one trained layer, on random states."""
    texts = [text for pair in PAIRS for text in (pair.source, pair.target)]
    states = {text: random(2 + n, 16, seed=n) for n, text in enumerate(texts)}
    last = {pair.source: random(2 + n, 16, seed=20 + n).half() for n, pair in enumerate(PAIRS)}

    def make(**choices: Any) -> CrossLingualNetwork:
        settings = recipe.CrossLingual.model_validate({"optimiser": {"epochs": 1}, **FROZEN, **choices})
        model = model_of()
        untrained = TrainedText(model, 0), last
        return CrossLingualNetwork(TrainedText(model, 1), settings, states, 0, PAIRS, untrained).eval()

    return make


def test_translations_are_compared_with_projected_last_states_of_their_sources(network):
    stage = network(sources={"form": "frozen", "regression": 3}, word_alignment={"weight": 0.5})
    batch = stage.collate(PAIRS)
    targets = stage.text.with_words(batch["target"])
    words = [stage.text.projection(stage._source_states[pair.source].float()) for pair in PAIRS]
    sources = F.normalize(torch.stack([rows.mean(dim=0) for rows in words]), dim=-1)

    losses = stage.losses(batch)
    expected = contrastive(sources, targets.sentences, torch.arange(3), 0.05)
    torch.testing.assert_close(losses["sentence"], expected, rtol=1e-4, atol=1e-4)
    squared = 2 - 2 * (sources * targets.sentences).sum(dim=1)
    torch.testing.assert_close(losses["regression"], 3 * squared.mean(), rtol=1e-4, atol=1e-4)
    padded = torch.nn.utils.rnn.pad_sequence(words, batch_first=True)
    mask = torch.arange(padded.shape[1]) < torch.tensor([len(rows) for rows in words])[:, None]
    distance = transport_distance(padded, targets.words, mask, targets.mask)
    torch.testing.assert_close(losses["word"], 0.5 * distance, rtol=1e-4, atol=1e-4)


def test_without_words_the_sentence_level_is_the_same(network):
    with_words, without = network(), network(word_alignment={"form": "off"})
    one, other = (stage.losses(stage.collate(PAIRS)) for stage in (with_words, without))

    assert list(other) == ["sentence", "regression"]
    for name, value in other.items():
        torch.testing.assert_close(value, one[name])


def test_no_gradient_comes_from_the_source_side(network):
    stage = network(sources={"form": "frozen", "regression": 0}, word_alignment={"form": "off"})
    layers = list(stage.text.layers.parameters())
    source, target, _ = stage._to_frozen(stage.collate(PAIRS))

    assert not source.requires_grad
    assert all(gradient is not None for gradient in torch.autograd.grad(target.sum(), layers, allow_unused=True))


def test_source_captions_are_translations_of_themselves_one_a_picture_in_turn():
    rows = [("a", "x", 0), ("b", None, 0), (None, "c", 0), ("a", "y", 0), ("d", None, 1)]
    pictures = [CaptionedPicture("file", source, target, group) for source, target, group in rows]
    data = TrainingData(PAIRS, pictures)

    kept = [(item.source, item.target, item.group) for item in data.kept_captions]
    assert kept == [("a", "a", 3), ("b", "b", 3), ("d", "d", 4)]


def test_stage_1_keeps_source_captions_in_their_place_where_sources_are_frozen(train, tmp_path, monkeypatch):
    seen: list[Any] = []
    network = Stages._cross_lingual_network

    def watch(self: Stages) -> CrossLingualNetwork:
        made = network(self)
        seen.append(made.items)
        return made

    monkeypatch.setattr(Stages, "_cross_lingual_network", watch)
    train(tmp_path / "run")
    themselves, translated = (
        [item for item in seen[0] if (item.source == item.target) is same] for same in (True, False)
    )
    assert len(themselves) == 12
    pictures = {item.group for item in themselves}
    assert len(pictures) == 6
    assert not pictures & {item.group for item in translated}


@pytest.fixture
def train(text_backbone: Path, image_backbone: Path, colours: Path) -> Callable[..., fit.Run]:
    """Train on the tiny backbones with frozen sources."""

    def run(
        folder: Path,
        networks: Path | None = None,
        region_dropout: float = 0,
        space: dict[str, Any] | None = None,
        epochs: int = 2,
        seed: int = 0,
    ) -> fit.Run:
        model = {"text": str(text_backbone), "image": str(image_backbone), "dimensions": 8, "vocabulary": "all"}
        values = {
            "seed": seed,
            "model": {**model, "trained_layers": 1},
            "cross_lingual": {
                "optimiser": {"epochs": epochs, "batch_size": 4, "lr_backbone": 0.01},
                **FROZEN,
                "space": space,
            },
            "cross_modal": {
                "optimiser": {"epochs": 1, "batch_size": 4},
                "projections_first": FIRST,
                "untranslated": True,
                "caption_mixing": 0.5,
                "region_dropout": region_dropout,
            },
        }
        return fit.fit(recipe.Recipe.model_validate(values), corpus.read(colours), folder, networks=networks)

    return run


def vectors(run: fit.Run) -> np.ndarray:
    return SentenceTransformer(str(run.model), device="cpu").encode([{"text": "a red picture"}, {"text": "rot"}])


def test_stage_1_moves_the_layers_and_leaves_the_space_alone(train, tmp_path, monkeypatch):
    seen: list[dict[str, torch.Tensor]] = []
    cross_lingual = Stages._train_cross_lingual

    def watch(self: Stages, folder: Path) -> None:
        for turn in range(2):
            seen.append({name: value.clone() for name, value in self._text.state_dict().items()})
            if not turn:
                cross_lingual(self, folder)

    monkeypatch.setattr(Stages, "_train_cross_lingual", watch)
    train(tmp_path / "run")

    before, after = seen
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved
    assert all(name.startswith("layers.") for name in moved)


def test_a_network_in_another_space_is_another_network(train, tmp_path):
    for name, dropout in (("one", 0.0), ("again", 0.0), ("other", 0.5)):
        train(tmp_path / name, tmp_path / "networks", dropout)

    assert len(list((tmp_path / "networks").glob("*/text.safetensors"))) == 2


def test_a_space_of_its_own_lets_runs_share_a_network_whatever_their_stage_2_is(train, tmp_path, monkeypatch):
    space = {"projections_first": FIRST, "optimiser": {"epochs": 0}}
    train(tmp_path / "one", tmp_path / "networks", 0.0, space)
    alone = vectors(train(tmp_path / "alone", None, 0.5, space))
    monkeypatch.setattr(CrossLingualNetwork, "losses", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(Stages, "_train_source_projections", lambda *_: pytest.fail("the space was made again"))

    other = vectors(train(tmp_path / "other", tmp_path / "networks", 0.5, space))

    assert len(list((tmp_path / "networks").glob("*/text.safetensors"))) == 1
    np.testing.assert_array_equal(other, alone)


def test_a_network_that_a_killed_run_began_is_gone_on_with_by_the_next(train, tmp_path, killed, monkeypatch):
    whole = vectors(train(tmp_path / "whole"))
    with killed(CrossLingualNetwork):
        train(tmp_path / "killed", tmp_path / "networks")
    monkeypatch.setattr(Stages, "_train_cross_lingual", partialmethod(resumed, Stages._train_cross_lingual))
    monkeypatch.setattr(Stages, "_train_source_projections", lambda *_: pytest.fail("the space was made again"))

    np.testing.assert_array_equal(vectors(train(tmp_path / "next", tmp_path / "networks")), whole)
    assert not list((tmp_path / "networks").glob("*.training"))


def resumed(self: Stages, go_on: Callable[[Stages, Path], None], folder: Path) -> None:
    assert (folder / "cross_lingual" / "last.ckpt").is_file()
    go_on(self, folder)


def test_networks_share_their_space_where_only_the_training_of_layers_differs(train, tmp_path, monkeypatch):
    train(tmp_path / "one", tmp_path / "networks", epochs=1)
    alone = vectors(train(tmp_path / "alone", epochs=2))
    monkeypatch.setattr(Stages, "_train_source_projections", lambda *_: pytest.fail("the space was made again"))

    other = vectors(train(tmp_path / "other", tmp_path / "networks", epochs=2))

    assert len(list((tmp_path / "networks").glob("*/text.safetensors"))) == 2
    np.testing.assert_array_equal(other, alone)


@pytest.mark.parametrize("change", [{"region_dropout": 0.5}, {"seed": 1}])
def test_another_space_is_made_where_its_settings_or_the_seed_differ(change, train, tmp_path):
    train(tmp_path / "one", tmp_path / "networks")
    train(tmp_path / "other", tmp_path / "networks", **change)

    assert len(list((tmp_path / "networks").glob("space-*/image.safetensors"))) == 2


def test_a_recipe_without_a_space_of_its_own_hashes_as_it_did_before_there_was_one(train, tmp_path):
    settings = recipe.CrossLingual(optimiser=recipe.Optimiser(epochs=1))

    assert "space" not in settings.model_dump_json()


def test_only_frozen_sources_have_a_space():
    stages = {name: {"optimiser": {"epochs": 1}} for name in ("cross_lingual", "cross_modal")}
    stages["cross_lingual"]["space"] = {"projections_first": FIRST, "optimiser": {"epochs": 0}}

    with pytest.raises(ValidationError, match="only frozen sources have a space"):
        recipe.Recipe.model_validate(stages)


def test_a_run_that_was_killed_in_stage_1_goes_on_to_the_same_vectors(train, tmp_path, killed):
    whole = vectors(train(tmp_path / "whole"))
    with killed(CrossLingualNetwork):
        train(tmp_path / "killed")
    assert {folder.name for folder in (tmp_path / "killed").iterdir() if folder.is_dir()} == {
        "source_projections",
        "cross_lingual",
    }

    np.testing.assert_array_equal(vectors(train(tmp_path / "killed")), whole)


def test_frozen_sources_need_pictures_to_make_their_space():
    stages = {name: {"optimiser": {"epochs": 1}} for name in ("cross_lingual", "cross_modal")}
    stages["cross_lingual"] |= FROZEN

    with pytest.raises(ValidationError, match=r"set cross_modal\.projections_first\.epochs"):
        recipe.Recipe.model_validate(stages)
