"""Towers on token ids and pixels give what towers on cached states and features give."""

from __future__ import annotations

import pytest
import torch

from cl2cm_plugin.encoder import two_tower
from trainer.corpus.image_features import media_features
from trainer.corpus.pixels import Pixels
from trainer.streaming.towers import StreamedImage, StreamedText, Tokens
from trainer.towers.frozen_text import FrozenText
from trainer.towers.image import TrainedImage
from trainer.towers.trained_text import TrainedText

TEXTS = ["a red picture", "blau", "ein bild in rot und gruen", "x"]


@pytest.fixture
def model(model_of):
    return model_of()


@pytest.fixture
def single_precision(monkeypatch):
    """States are cached in half precision; here they are not, so that nothing is rounded."""
    monkeypatch.setattr(torch.Tensor, "half", lambda self: self)


def ids(model, texts=TEXTS):
    tokens = Tokens(model)
    return [tokens[text] for text in texts]


@pytest.mark.parametrize("layers", [0, 1, 3, "all"])
def test_texts_have_the_vectors_of_cached_states(layers, model, single_precision):
    states = FrozenText(model, layers).states(TEXTS)
    cached = TrainedText(model, layers).eval()
    streamed = StreamedText(model, layers).eval()

    torch.testing.assert_close(streamed(ids(model)), cached([states[text] for text in TEXTS]), atol=1e-5, rtol=1e-5)
    ours, theirs = streamed.with_words(ids(model)), cached.with_words([states[text] for text in TEXTS])
    torch.testing.assert_close(ours.words[ours.mask], theirs.words[theirs.mask], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers", [0, 1, "all"])
def test_pictures_have_the_vectors_of_cached_features(layers, model, colours, image_backbone):
    tower = two_tower.image_route(model)[0]
    files = [str(colours / "media" / f"{name}.png") for name in ("red", "blue")]
    pixels = [Pixels(tower, augmented=False)(file) for file in files]
    features = [torch.from_numpy(rows) for rows in media_features(files, tower, image_backbone)]

    streamed = StreamedImage(model, layers).eval()(pixels)

    cached = TrainedImage(model, layers).eval()(pixels if layers else features)
    torch.testing.assert_close(streamed, cached, atol=1e-5, rtol=1e-5)


def test_what_is_frozen_gets_no_gradient_and_is_in_no_checkpoint(model):
    text, image = StreamedText(model, 1), StreamedImage(model, 0)
    (text(ids(model)).sum() + image([torch.zeros(1, 3, 32, 32)]).sum()).backward()

    assert set(text.state_dict()) == set(TrainedText(model, 1).state_dict())
    assert set(image.state_dict()) == set(TrainedImage(model, 0).state_dict())
    frozen = [parameter for module in text.below.modules_beside for parameter in module.parameters()]
    frozen += list(two_tower.image_route(model)[0].model.parameters())
    assert frozen
    assert not [parameter for parameter in frozen if parameter.requires_grad or parameter.grad is not None]
    assert all(parameter.grad is not None for parameter in text.parameters())


def test_training_mode_leaves_what_is_frozen_as_it_is(model):
    text, image = StreamedText(model, 1), StreamedImage(model, 0)
    text.train()
    image.train()

    for module in (*text.below.modules_beside, *image.below.modules_beside):
        assert not any(part.training for part in module.modules())


def test_what_is_frozen_goes_where_the_tower_goes(model):
    text, image = StreamedText(model, 1), StreamedImage(model, 0)
    text.double()
    image.double()

    for module in (*text.below.modules_beside, *image.below.modules_beside):
        assert {parameter.dtype for parameter in module.parameters()} == {torch.float64}


def test_a_copy_teaches_what_the_tower_was(model):
    text = StreamedText(model, 1).eval()
    teacher, before = text.frozen_copy(), text(ids(model)).detach()
    with torch.no_grad():
        for parameter in text.parameters():
            parameter += 0.1

    torch.testing.assert_close(teacher(ids(model)), before)
    assert not torch.allclose(text(ids(model)), before, atol=1e-3)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    # What is frozen is there once.
    assert teacher.below.modules_beside[0] is text.below.modules_beside[0]


@pytest.mark.parametrize("layers", [0, 1, "all"])
def test_nothing_to_encode_still_reaches_every_weight(layers, model):
    text, image = StreamedText(model, layers), StreamedImage(model, layers)

    texts, pictures = text([]), image([])

    assert texts.shape == pictures.shape == (0, 8)
    (texts.sum() + pictures.sum()).backward()
    trained = [parameter for tower in (text, image) for parameter in tower.parameters() if parameter.requires_grad]
    # Embeddings of kinds of sentences among them: only what no sentence ever uses has none.
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in trained)
