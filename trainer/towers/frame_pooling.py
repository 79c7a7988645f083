"""From features of frames to one vector a picture or clip, differentiable: what `pool_frames` does when serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


def clip_vectors(projection: Callable[[Tensor], Tensor], features: Sequence[Tensor]) -> Tensor:
    """Project the frames of each file and pool them: normalise, mean over the file's frames, normalise.

    Equal to `cl2cm_plugin.encoder.video.pool_frames` of the model's vectors of the frames.

    Args:
        projection: The trained projection of the image tower, from (n, d_image) to (n, d).
        features: Features of each file, shape (frames of it, d_image), frames >= 1.

    Returns:
        A unit vector a file, shape (len(features), d).
    """
    frames = F.normalize(projection(torch.cat(list(features))), dim=-1)
    lengths = [len(of_file) for of_file in features]
    return F.normalize(torch.stack([of_file.mean(dim=0) for of_file in frames.split(lengths)]), dim=-1)
