"""Captioned-media folders of pictures that are all different, drawn here. Seeded: the same ones everywhere."""

from __future__ import annotations

import io
import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from serving_parts.samples import PICTURES, SEED, pictures, texts

from cl2cm_plugin.vectorizer import cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress

LANGUAGE = "en"
_QUALITY = 92
_ORDERS = list(itertools.permutations(range(3)))


@dataclass(frozen=True)
class Archive:
    """A captioned-media folder.

    Attributes:
        folder: Where it is.
        captions: By a picture's path in it.
    """

    folder: Path
    captions: dict[str, str]


def make(folder: Path, numbers: Sequence[int], progress: Progress) -> Archive:
    """Draw pictures and write them with their captions.

    Args:
        folder: Which must not exist yet.
        numbers: Of the pictures; those of one number are the same in every folder.
        progress: Shows how far it is.
    """
    (folder / "media").mkdir(parents=True)
    (folder / "captions").mkdir()
    files = [f"media/{number:06}.jpg" for number in numbers]
    with ProcessPoolExecutor(cores.visible(), mp_context=get_context("spawn")) as pool:
        written = pool.map(_write, [folder / file for file in files], numbers, chunksize=50)
        for _ in progress.track(written, total=len(files), description="drawing pictures"):
            pass
    composed = texts(max(numbers) + 1)
    captions = {file: composed[number] for file, number in zip(files, numbers, strict=True)}
    rows = [f"{Path(file).stem}\t{caption}\tbenchmark" for file, caption in captions.items()]
    table = "\n".join(["media_id\tcaption\tsource", *rows]) + "\n"
    (folder / "captions" / f"{LANGUAGE}.tsv").write_text(table, encoding="utf-8")
    return Archive(folder, captions)


def together(folder: Path, archives: Sequence[Archive]) -> Archive:
    """Make one archive of several, of links to the same files."""
    (folder / "media").mkdir(parents=True)
    (folder / "captions").mkdir()
    tables = [(archive.folder / "captions" / f"{LANGUAGE}.tsv").read_text(encoding="utf-8") for archive in archives]
    head = tables[0].partition("\n")[0]
    rows = "".join(table.partition("\n")[2] for table in tables)
    (folder / "captions" / f"{LANGUAGE}.tsv").write_text(f"{head}\n{rows}", encoding="utf-8")
    captions: dict[str, str] = {}
    for archive in archives:
        for file in archive.captions:
            os.link(archive.folder / file, folder / file)
        captions |= archive.captions
    return Archive(folder, captions)


def _write(file: Path, number: int) -> None:
    """Shift a drawn picture, mirror it and exchange its colours: another one, as large and as long to decode."""
    generator = np.random.default_rng((SEED, number))
    pixels = _drawn()[number % PICTURES]
    pixels = np.roll(pixels, tuple(generator.integers(pixels.shape[:2])), axis=(0, 1))
    pixels = pixels[:: generator.choice((1, -1)), :: generator.choice((1, -1)), _ORDERS[generator.integers(6)]]
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "JPEG", quality=_QUALITY)
    file.write_bytes(stream.getvalue())


@cache
def _drawn() -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(picture))) for picture in pictures(PICTURES)]
