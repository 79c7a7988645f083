"""Networks on a stream lose what networks in memory lose on the same batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from cl2cm_plugin.encoder import two_tower
from trainer.corpus.pixels import Pixels
from trainer.corpus.training_data import CaptionedPicture
from trainer.methods.cl2cm import CrossModalNetwork
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.streaming.items import CaptionedPictures, SentencePairs
from trainer.streaming.networks import DAMAGED, Stream, StreamedCrossLingual, StreamedCrossModal
from trainer.streaming.pixels import DamagedPicture, PictureOpener
from trainer.streaming.shards import Turn
from trainer.streaming.towers import StreamedImage, StreamedText, Tokens
from trainer.towers.embedding import text_vectors
from trainer.towers.frozen_text import FrozenText
from trainer.towers.image import TrainedImage
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Callable

DISTILLATION = [
    {"form": "relational"},
    {"form": "embeddings"},
    {"form": "soft_labels"},
    {"form": "off"},
]


@pytest.fixture(autouse=True)
def _single_precision(monkeypatch):
    """States in memory are kept in half precision; here they are not, so that nothing is rounded."""
    monkeypatch.setattr(torch.Tensor, "half", lambda self: self)


@pytest.fixture
def model(model_of) -> Any:
    return model_of()


@pytest.fixture
def cross_modal(model, opened) -> Callable[..., StreamedCrossModal]:
    """Stage 2 on the stream of the colours: ``cross_modal(recipe)``."""

    def make(recipe: Any, taught: bool = True) -> StreamedCrossModal:
        text = StreamedText(model, recipe.model.trained_layers, recipe.model.text_dropout)
        image = StreamedImage(model, recipe.model.trained_image_layers, recipe.cross_modal.feature_dropout)
        opener = PictureOpener(two_tower.image_route(model)[0], opened.folder, augmented=False)
        stream = Stream(CaptionedPictures(opened.pictures, recipe), 6)
        settings, teacher = recipe.cross_modal, text.frozen_copy() if taught else None
        return StreamedCrossModal(text, image, settings, Tokens(model), 0, stream, opener, teacher).eval()

    return make


@pytest.mark.parametrize("layers", [0, 1, "all"])
@pytest.mark.parametrize("word", ["transport", "off"])
def test_stage_1_loses_what_it_loses_in_memory(word, layers, model, opened, recipe_of):
    recipe = recipe_of(model={"trained_layers": layers}, cross_lingual={"word_alignment": {"form": word}})
    pairs = SentencePairs(opened.pairs, recipe)
    items = list(pairs.stream(Turn(0, 0)))[:5]
    states = FrozenText(model, layers).states([text for pair in items for text in (pair.source, pair.target)])
    in_memory = CrossLingualNetwork(TrainedText(model, layers), recipe.cross_lingual, states, 0).eval()
    streamed = StreamedCrossLingual(
        StreamedText(model, layers), recipe.cross_lingual, Tokens(model), 0, Stream(pairs, 13)
    ).eval()

    found = streamed.losses(streamed.collate(items))

    for name, loss in in_memory.losses(in_memory.collate(items)).items():
        torch.testing.assert_close(found[name], loss, atol=1e-5, rtol=1e-5)
    assert len(found) == (1 if word == "off" else 2)


@pytest.mark.parametrize("distillation", DISTILLATION, ids=lambda choice: choice["form"])
@pytest.mark.parametrize("layers", [0, 1])
@pytest.mark.parametrize("source_weight", [0.0, 1.0])
def test_stage_2_loses_what_it_loses_in_memory(
    source_weight, layers, distillation, model, opened, recipe_of, cross_modal, colours
):
    if distillation["form"] == "soft_labels" and not source_weight:
        pytest.skip("refused by the recipe")
    recipe = recipe_of(
        model={"trained_layers": layers, "trained_image_layers": layers},
        cross_modal={"distillation": distillation, "source_weight": source_weight, "untranslated": True},
    )
    streamed = cross_modal(recipe)
    rows = list(CaptionedPictures(opened.pictures, recipe).stream(Turn(0, 0)))
    items = [
        CaptionedPicture(str(colours / "media" / f"{row.media_id}.png"), row.source, row.target, row.group)
        for row in rows
    ]
    texts = [text for item in items for text in (item.source, item.target) if text is not None]
    text, image, states = (
        TrainedText(model, layers),
        TrainedImage(model, layers),
        FrozenText(model, layers).states(texts),
    )
    pixels = Pixels(two_tower.image_route(model)[0], augmented=False)
    inputs = pixels if layers else {item.file: _features(model, pixels(item.file)) for item in items}.__getitem__
    teacher = text_vectors(text, states)
    in_memory = CrossModalNetwork(text, image, recipe.cross_modal, states, inputs, teacher, 0, items).eval()

    found = streamed.losses(streamed.collate([streamed._opened(row) for row in rows]))

    wanted = in_memory.losses(in_memory.collate(items))
    assert set(found) == set(wanted)
    for name, loss in wanted.items():
        torch.testing.assert_close(found[name], loss, atol=1e-5, rtol=1e-5)


def _features(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return two_tower.image_route(model)[0].model(pixels).pooler_output.flatten(1)


def test_the_teacher_is_no_part_of_what_is_trained(cross_modal, recipe_of):
    taught, alone = (cross_modal(recipe_of(), taught) for taught in (True, False))

    assert set(taught.state_dict()) == set(alone.state_dict())
    assert len(list(taught.parameters())) == len(list(alone.parameters()))


def test_a_damaged_picture_is_left_out_of_its_batch_and_named(cross_modal, recipe_of, opened):
    recipe = recipe_of()
    network = cross_modal(recipe)
    items = [network._opened(row) for row in CaptionedPictures(opened.pictures, recipe).stream(Turn(0, 0))]

    batch = network.collate([DamagedPicture("bad", "cut off"), *items])

    assert batch.pop(DAMAGED) == [("bad", "cut off")]
    without = network.collate(items)
    for name, loss in network.losses(without).items():
        torch.testing.assert_close(network.losses(batch)[name], loss)
    assert len(without["group"]) == 6


@pytest.mark.parametrize("distillation", DISTILLATION, ids=lambda choice: choice["form"])
def test_a_batch_of_damaged_pictures_alone_loses_nothing(distillation, cross_modal, recipe_of):
    network = cross_modal(recipe_of(cross_modal={"distillation": distillation}))

    losses = network.losses(network.collate([DamagedPicture("bad", "cut off")]))

    total = torch.stack(list(losses.values())).sum()
    assert float(total.detach()) == 0
    total.backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_the_crop_of_a_picture_depends_on_seed_and_epoch_alone(model, opened, recipe_of):
    opener = PictureOpener(two_tower.image_route(model)[0], opened.folder, augmented=True)
    pictures = CaptionedPictures(opened.pictures, recipe_of())

    def pixels(turn: Turn) -> dict[int, torch.Tensor]:
        return {row.group: opener(row).file for row in pictures.stream(turn)}

    before = torch.random.get_rng_state()
    first, again = pixels(Turn(0, 1)), pixels(Turn(0, 1, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    for group, one in first.items():
        assert torch.equal(one, again[group])
    draws = {row.draw for turn in (Turn(0, 0), Turn(0, 1), Turn(1, 0)) for row in pictures.stream(turn)}
    assert len(draws) == 18
