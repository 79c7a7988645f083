"""The vision tower of a model that also has a text tower, such as CLIP or SigLIP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def has_vision_part(folder: Path) -> bool:
    """Tell whether a Hugging Face folder holds several towers, one of them for vision."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return "vision_config" in config


def extract(folder: Path, out: Path) -> None:
    """Write the vision tower alone, with its preprocessing.

    Args:
        folder: A Hugging Face folder of a model with a ``vision_config``.
        out: An empty folder.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoModel

    config = AutoConfig.from_pretrained(folder).vision_config
    # The class that belongs to the configuration finds its weights by their prefix.
    tower = type(AutoModel.from_config(config)).from_pretrained(folder)
    tower.save_pretrained(out)
    AutoImageProcessor.from_pretrained(folder, backend="pil").save_pretrained(out)
