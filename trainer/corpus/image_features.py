"""Features of a frozen image tower: computed once for a picture's content, then read from a cache."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import track

from cl2cm_plugin.encoder.model_info import fingerprint
from trainer.corpus.pictures import open_picture
from trainer.feature_cache import FeatureCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

_BATCH = 32


def image_features(files: Sequence[str], tower: Any, backbone: Path) -> np.ndarray:
    """Compute the features of pictures with a frozen tower, or read them from the cache.

    The cache lies below the cache folder, one folder a tower, and is found again by the SHA-256 of a picture's bytes:
    a renamed picture costs nothing, a changed one is computed anew.

    Args:
        files: Picture files.
        tower: The image ``Transformer`` module of sentence-transformers, frozen.
        backbone: The folder that the tower was loaded from; a fingerprint of it names the cache.

    Returns:
        Features of shape (len(files), d), float32.

    Raises:
        UserError: A picture cannot be opened.
    """
    cache = FeatureCache("images", fingerprint(backbone))
    keys = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
    missing = {key: file for key, file in zip(keys, files, strict=True) if key not in cache.rows}
    pending = list(missing.items())
    # Convolutions are a third faster in this layout; a copy, since it could not be saved.
    tower = copy.deepcopy(tower).to(memory_format=torch.channels_last) if pending else tower
    starts = range(0, len(pending), _BATCH)
    for start in track(starts, f"Features of {len(pending)} pictures", disable=not pending):
        batch = pending[start : start + _BATCH]
        features = _forward(tower, [open_picture(file) for _, file in batch])
        cache.add({key: row for (key, _), row in zip(batch, features, strict=True)})
    cache.flush()
    return np.stack([cache.rows[key] for key in keys])


@torch.inference_mode()
def _forward(tower: Any, pictures: list[Image.Image]) -> np.ndarray:
    features = tower.preprocess(pictures)
    device = next(tower.parameters()).device
    features = {key: value.to(device) if torch.is_tensor(value) else value for key, value in features.items()}
    pooled = tower(features)["sentence_embedding"]
    return pooled.flatten(1).float().cpu().numpy()
