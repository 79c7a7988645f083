from __future__ import annotations

import pytest
import torch

from trainer.towers.projection import Projection


@pytest.fixture
def features():
    random = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 0.01, 5.0, 1.0])
    made = torch.randn(50, 4, generator=random) * scale + torch.tensor([3.0, -2.0, 0.0, 7.0])
    made[:, 3] = 7.0
    return made


def test_features_are_standardised_before_the_layer(features):
    linear = torch.nn.Linear(4, 2)
    projection = Projection(linear)
    projection.standardise(features)

    standard = (features[:, :3] - features[:, :3].mean(dim=0)) / features[:, :3].std(dim=0, correction=0)
    expected = standard @ linear.weight[:, :3].T + linear.bias
    torch.testing.assert_close(projection(features), expected, atol=1e-4, rtol=1e-4)


def test_a_dimension_that_does_not_vary_is_left_out_and_stays_finite(features):
    projection = Projection(torch.nn.Linear(4, 2))
    projection.standardise(features)

    assert torch.isfinite(projection(features)).all()
    assert float(projection.deviation[3]) == pytest.approx(1e-3)


def test_folded_the_layer_alone_is_the_whole_projection(features):
    linear = torch.nn.Linear(4, 2)
    projection = Projection(linear).eval()
    projection.standardise(features)
    before = projection(features)
    projection.fold()

    torch.testing.assert_close(linear(features), before, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(projection(features), before, atol=1e-3, rtol=1e-3)


def test_dropped_features_are_as_the_mean(features):
    projection = Projection(torch.nn.Linear(4, 2), dropout=0.999999).train()
    projection.standardise(features)

    torch.testing.assert_close(projection(features), projection.linear.bias.expand(50, 2))
