from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cl2cm_plugin.errors import UserError
from trainer.corpus.pixels import Pixels
from trainer.towers.image import TrainedImage


@pytest.fixture
def file(tmp_path):
    picture = tmp_path / "half.png"
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:, :30] = (255, 0, 0)
    Image.fromarray(pixels).save(picture)
    return str(picture)


def transformer(model):
    from cl2cm_plugin.encoder import two_tower

    return two_tower.image_route(model)[0]


@pytest.mark.parametrize("trained_layers", [1, "all"])
def test_from_pixels_the_tower_encodes_as_the_model_does(trained_layers, model_of, file):
    model = model_of()
    network = TrainedImage(model, trained_layers).eval()
    with torch.inference_mode():
        found = network([Pixels(transformer(model), augmented=False)(file)])

    np.testing.assert_allclose(found.numpy(), model.encode([Image.open(file)]), atol=1e-5)


def test_gradients_reach_the_upper_layers_and_what_follows_them(model_of, file):
    model = model_of()
    network = TrainedImage(model, 1)
    network([Pixels(transformer(model), augmented=False)(file)])[:, 0].sum().backward()

    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    blocks = {name.split("blocks.")[1].split(".")[0] for name in reached if "blocks." in name}
    depth = len(transformer(model).model.encoder.blocks)
    assert depth > 1
    assert blocks == {str(depth - 1)}
    assert any("top_conv" in name for name in reached)
    assert not any("embeddings" in name for name in reached)


def test_training_leaves_the_statistics_of_batch_normalisation_alone(model_of, file):
    model = model_of()
    before = {name: value.clone() for name, value in model.named_buffers()}
    network = TrainedImage(model, "all").train()
    network([Pixels(transformer(model), augmented=True)(file)] * 3)

    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    assert network.training


def test_a_clip_is_the_mean_of_its_frames_unit_vectors(model_of):
    network = TrainedImage(model_of()).eval()
    size = network.projection.in_features
    frames = torch.randn(3, size, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([network([frame[None]]) for frame in frames])

    pooled = torch.nn.functional.normalize(alone.mean(dim=0), dim=0)
    torch.testing.assert_close(network([frames])[0], pooled)


def test_augmented_pixels_differ_from_time_to_time_and_are_determined_by_the_seed(model_of, file):
    read = Pixels(transformer(model_of()), augmented=True)
    torch.manual_seed(0)
    first = [read(file) for _ in range(6)]
    torch.manual_seed(0)
    again = [read(file) for _ in range(6)]

    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert len({float(one.mean()) for one in first}) > 3
    red_left = [bool(one[0, 0, :, :4].mean() > one[0, 0, :, -4:].mean()) for one in first]
    assert len(set(red_left)) == 2


def test_more_image_layers_than_there_are_is_refused(model_of):
    with pytest.raises(UserError, match="trained_image_layers is 99"):
        TrainedImage(model_of(), 99)


def test_a_backbone_of_unknown_form_cannot_be_trained_in_part(model_of):
    model = model_of()
    transformer(model).model.encoder = torch.nn.Identity()

    with pytest.raises(UserError, match="cannot be trained in part"):
        TrainedImage(model, 1)


@pytest.mark.parametrize("dropout", [0.0, 0.5, 0.99])
def test_training_leaves_some_regions_out_and_never_all(dropout, model_of):
    tower = TrainedImage(model_of(), 0, region_dropout=dropout)
    tower.projection = torch.nn.Identity()
    tower.projection.weight = torch.zeros(1)
    # Region r has its share along axis r, so the mean says which regions it is of.
    regions = torch.eye(9)[None].half()

    torch.manual_seed(0)
    means = torch.cat([tower.train()([regions]) for _ in range(400)])
    kept = (means > 0).float().sum(dim=1)

    torch.testing.assert_close(means, F.normalize((means > 0).float(), dim=-1))
    assert kept.min() >= 1
    # Where none was drawn all are kept, which shows at the highest rate alone.
    expected = 9 * (1 - dropout) + 9 * dropout**9
    assert kept.mean() == pytest.approx(expected, abs=0.5)
    torch.testing.assert_close(tower.eval()([regions]), torch.full((1, 9), 1 / 3))


def test_features_in_half_precision_pass_under_bfloat16(model_of):
    tower = TrainedImage(model_of(), 0).eval()
    pictures = [torch.rand(1, 9, tower.projection.in_features).half() for _ in range(3)]
    alone = tower(pictures)

    with torch.autocast("cpu", torch.bfloat16):
        found = tower(pictures)

    torch.testing.assert_close(found.float(), alone, atol=0.02, rtol=0)
