"""Features of a frozen image tower: computed once for a file's content, then read from a cache."""

from __future__ import annotations

import copy
import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from cl2cm_plugin.encoder import video
from cl2cm_plugin.encoder.model_info import fingerprint
from cl2cm_plugin.errors import UserError
from trainer.corpus.media import frame_rows
from trainer.towers.feature_cache import FeatureCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from PIL import Image

# Pictures and frames that go through the tower together.
_BATCH = 32


def media_features(
    files: Sequence[str], tower: Any, backbone: Path, frames: int = video.FRAMES, *, regions: bool = False
) -> list[np.ndarray]:
    """Compute the features of pictures and of the frames of clips with a frozen tower, or read them from the cache.

    The cache lies below the cache folder, one folder a tower, and is found again by the SHA-256 of a file's bytes,
    for a clip with the number of frames: a renamed file costs nothing, a changed one is computed anew.

    Args:
        files: Files of pictures and clips.
        tower: The image ``Transformer`` module of sentence-transformers, frozen.
        backbone: The folder that the tower was loaded from; a fingerprint of it names the cache.
        frames: How many frames of a clip are wanted.
        regions: Whether to compute features of nine regions, three by three, of which the whole's are the mean
            (nearly: regions overlap where the tower's map cannot be cut in three).

    Returns:
        Features of each file, shape (f, d), float32: f is 1 for a picture and up to ``frames`` for a clip; of regions
        shape (f, 9, d), half precision.

    Raises:
        UserError: A file cannot be opened, or the tower has no map of which its features are the mean.
    """
    cache = FeatureCache("regions" if regions else "images", fingerprint(backbone))
    keys = [_key(file, frames) for file in files]
    with cache.filling(keys):
        missing = {key: file for key, file in zip(keys, files, strict=True) if key not in cache.rows}
        # Convolutions are a third faster in this layout; a copy, since it could not be saved.
        tower = copy.deepcopy(tower).to(memory_format=torch.channels_last) if missing else tower
        key_of = {file: key for key, file in missing.items()}
        title = f"Features of {len(missing)} files"
        compute = partial(_regions if regions else _forward, tower)
        for rows in frame_rows(list(key_of), compute, title, _BATCH, frames):
            # A single row without its axis: so it stands in the caches of earlier versions too.
            cache.add({key_of[file]: row[0] if len(row) == 1 else row for file, row in rows.items()})
    return [_with_frames(cache.rows[key], 3 if regions else 2) for key in keys]


def _key(file: str, frames: int) -> str:
    with Path(file).open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"{content}-{frames}" if video.is_video(Path(file)) else content


def _with_frames(rows: np.ndarray, dimensions: int) -> np.ndarray:
    return rows if rows.ndim == dimensions else rows[None]


@torch.inference_mode()
def _forward(tower: Any, pictures: list[Image.Image]) -> np.ndarray:
    pooled = tower(_preprocessed(tower, pictures))["sentence_embedding"]
    return pooled.flatten(1).float().cpu().numpy()


@torch.inference_mode()
def _regions(tower: Any, pictures: list[Image.Image]) -> np.ndarray:
    output = tower.model(pixel_values=_preprocessed(tower, pictures)["pixel_values"])
    found, pooled = output.last_hidden_state, output.pooler_output.flatten(1)
    if found.ndim != 4 or not torch.allclose(found.mean(dim=(2, 3)), pooled, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"{type(tower.model).__name__} has no regions of which its features are the mean: set region_dropout to 0."
        )
    return F.adaptive_avg_pool2d(found, 3).flatten(2).transpose(1, 2).half().cpu().numpy()


def _preprocessed(tower: Any, pictures: list[Image.Image]) -> dict[str, Any]:
    device = next(tower.parameters()).device
    features = tower.preprocess(pictures)
    return {key: value.to(device) if torch.is_tensor(value) else value for key, value in features.items()}
