from __future__ import annotations

import numpy as np
import torch

from cl2cm_plugin.encoder.video import pool_frames
from trainer.towers.frame_pooling import clip_vectors


def test_vectors_of_clips_and_pictures_are_what_serving_pools_of_their_frames():
    torch.manual_seed(0)
    projection = torch.nn.Linear(6, 4)
    features = [torch.randn(frames, 6) for frames in (3, 1, 8)]

    vectors = clip_vectors(projection, features)

    with torch.no_grad():
        for of_file, vector in zip(features, vectors, strict=True):
            frames = torch.nn.functional.normalize(projection(of_file), dim=-1)
            np.testing.assert_allclose(vector, pool_frames(frames.numpy()), atol=1e-6)


def test_every_frame_teaches_the_projection():
    projection = torch.nn.Linear(6, 4, bias=False)
    features = [torch.eye(6)[:2], torch.eye(6)[2:5]]

    clip_vectors(projection, features).sum().backward()

    # One column of the weight for each frame, and none for the sixth direction, which no frame has.
    assert (projection.weight.grad.abs().sum(dim=0) > 0).tolist() == [True] * 5 + [False]
