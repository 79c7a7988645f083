"""A model of two languages, the words of a third, and what is asked of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.encoder.model_info import ModelInfo

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


CZECH = {
    "red": "cervena",
    "green": "zelena",
    "blue": "modra",
    "white": "bila",
    "black": "cerna",
    "yellow": "zluta",
    "pink": "ruzova",
    "grey": "seda",
}
SOURCES, TARGETS = list(CZECH), list(CZECH.values())
GERMAN = ["rot", "gruen", "blau", "weiss", "ein bild in blau", "das hat niemand gemalt"]


def save(model: SentenceTransformer, folder: Path, **facts: Any) -> Path:
    info = {"name": "cl2cm-de", "languages": ["en", "de"], "vocabulary": "all", "image_size": 32, **facts}
    card = "---\nlanguage: en\n---\n\n# Old card\n\nFigures.\n"
    two_tower.save(model, folder, card, ModelInfo(fingerprint="", dimensions=8, **info))
    return folder


def loaded(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def encode(folder: Path, texts: list[str]) -> np.ndarray:
    return loaded(folder).encode([{"text": text} for text in texts])
