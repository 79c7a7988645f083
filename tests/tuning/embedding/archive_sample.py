"""A captioned-media folder with everything that an embedding meets: small and large, clips, captions, damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

DIMENSIONS = 8
GOOD = {*(f"media/p{number}.png" for number in range(5)), "media/large.bmp", "media/clip.mp4"}
BAD = {"media/broken.jpg", "media/broken.mp4"}
CAPTIONS = {"media/p0.png": "a dog", "media/p1.png": "ein hund\nam strand", "media/clip.mp4": "the beach"}


def write(folder: Path) -> None:
    """Write the folder: `GOOD` media, of which some have `CAPTIONS`, and two files that are no media, `BAD`."""
    (folder / "media").mkdir(parents=True)
    (folder / "captions").mkdir()
    for number in range(5):
        noise(number).save(folder / "media" / f"p{number}.png")
    noise(5, (1500, 1200)).save(folder / "media" / "large.bmp")
    film(folder / "media" / "clip.mp4")
    (folder / "media" / "broken.jpg").write_bytes(b"no picture")
    (folder / "media" / "broken.mp4").write_bytes(b"no clip")
    table = "media_id\tcaption\np0\ta dog\np1\tein hund\np1\tam strand\nclip\tthe beach\n"
    (folder / "captions" / "en.tsv").write_text(table, encoding="utf-8")


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A picture of coloured noise."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def film(file: Path) -> None:
    """A clip of twelve frames, each of another colour."""
    av = pytest.importorskip("av")
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=6)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for number in range(12):
            colour = np.full((24, 32, 3), (20 * number, 250 - 20 * number, 100), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(colour, format="rgb24")))
        container.mux(stream.encode())
