"""Texts and pictures that show whether an exported model computes here what it computed where it was exported.

In 8 bits processors differ: without VNNI, sums of the full range are clipped, and a model that was measured to be as
good as the original may be a bad one on another machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cl2cm_plugin.exported.folder import graph

if TYPE_CHECKING:
    from pathlib import Path

    from cl2cm_plugin.exported.towers import ExportedTowers

FILE_NAME = "probes.npz"
MIN_COSINE = 0.995
TEXTS = (
    "a dog on the beach",
    "ein Mann repariert ein altes Fahrrad vor einem Haus",
    "deux enfants jouent dans la neige",
    "žena čte knihu v parku",
    "uma rua cheia de gente à noite",
    "一个女孩在吃苹果",
    "7",
    "",
)
_PICTURES, _SIDE, _SEED = 6, 320, 20


def pictures() -> list[Image.Image]:
    """Draw the pictures: soft coloured fields, the same ones everywhere."""
    generator = np.random.default_rng(_SEED)
    fields = generator.integers(0, 256, (_PICTURES, 6, 8, 3), dtype=np.uint8)
    return [Image.fromarray(field).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC) for field in fields]


def vectors(towers: ExportedTowers, tower: str) -> np.ndarray:
    """Encode a tower's probes: shape (probes, d)."""
    if tower == "text":
        return towers.encode_texts([towers.prepare_text(text) for text in TEXTS])
    return towers.encode_images([towers.prepare_image(picture) for picture in pictures()])


def write(folder: Path, of_graphs: dict[str, np.ndarray]) -> None:
    """Keep the probes' vectors beside the graphs, by the graphs' names."""
    np.savez(folder / FILE_NAME, **of_graphs)  # type: ignore[arg-type]


def lowest_cosine(towers: ExportedTowers, file: Path, tower: str, precision: str) -> float:
    """Compare a tower's probes as they are here with those of a graph where it was exported: the lowest cosine.

    Args:
        towers: The towers as they are computed here.
        file: What `write` wrote.
        tower: ``text`` or ``image``.
        precision: Of the graph.
    """
    with np.load(file, allow_pickle=False) as kept:
        return float(1 - np.square(vectors(towers, tower) - kept[graph(tower, precision)]).sum(axis=1).max() / 2)
