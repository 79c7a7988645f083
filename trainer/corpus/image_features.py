"""Features of a frozen image tower: computed once for a picture's content, then read from a cache."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import track
from safetensors.numpy import load_file, save_file

from cl2cm_plugin.encoder.backbones import cache_folder
from cl2cm_plugin.encoder.model_info import fingerprint
from cl2cm_plugin.encoder.pictures import PictureError, open_picture
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

_BATCH = 32
# A killed run loses at most this many pictures.
_PICTURES_A_FILE = 512


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
    cache = _Cache(cache_folder() / "features" / fingerprint(backbone))
    keys = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
    missing = {key: file for key, file in zip(keys, files, strict=True) if key not in cache.features}
    pending = list(missing.items())
    starts = range(0, len(pending), _BATCH)
    for start in track(starts, f"Features of {len(pending)} pictures", disable=not pending):
        batch = pending[start : start + _BATCH]
        features = _forward(tower, [_open(file) for _, file in batch])
        cache.add({key: row for (key, _), row in zip(batch, features, strict=True)})
    cache.flush()
    return np.stack([cache.features[key] for key in keys])


class _Cache:
    """Feature rows by content hash, kept in files of some hundred rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.features: dict[str, np.ndarray] = {}
        self._unsaved: dict[str, np.ndarray] = {}
        for file in sorted(folder.glob("*.safetensors")):
            self.features.update(load_file(file))

    def add(self, rows: dict[str, np.ndarray]) -> None:
        self.features.update(rows)
        self._unsaved.update(rows)
        if len(self._unsaved) >= _PICTURES_A_FILE:
            self.flush()

    def flush(self) -> None:
        if not self._unsaved:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{uuid.uuid4().hex}.tmp"
        save_file({key: np.ascontiguousarray(row) for key, row in self._unsaved.items()}, temporary)
        temporary.rename(self.folder / f"{uuid.uuid4().hex}.safetensors")
        self._unsaved = {}


def _open(file: str) -> Image.Image:
    try:
        return open_picture(Path(file))
    except PictureError as error:
        raise UserError(f"A picture cannot be used: {error}. Replace it, or take it out of the corpus.") from None


@torch.inference_mode()
def _forward(tower: Any, pictures: list[Image.Image]) -> np.ndarray:
    features = tower.preprocess(pictures)
    device = next(tower.parameters()).device
    features = {key: value.to(device) if torch.is_tensor(value) else value for key, value in features.items()}
    pooled = tower(features)["sentence_embedding"]
    return pooled.flatten(1).float().cpu().numpy()
