"""A tiny exported model, made once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from cl2cm_plugin.export.exporter import Exporter
from cl2cm_plugin.export.samples import Samples

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Ten pictures with a caption each, and ten to calibrate on."""
    folder, generator, files = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0), []
    for number in range(20):
        files.append(folder / f"{number}.png")
        Image.fromarray(generator.integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(files[-1])
    words = ["a dog", "ein hund", "the beach", "strand", "on", "am strand", "a", "dog on a beach", "hund am", "the"]
    return Samples(files[:10], files[10:], words, list(range(10)))


@pytest.fixture(scope="session")
def _exported(tiny_model_folder: Path, samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "cl2cm-tiny"
    folder.mkdir()
    exporter = Exporter(tiny_model_folder, folder)
    exporter.single_precision()
    exporter.eight_bits(samples)
    exporter.finish()
    return folder


@pytest.fixture
def exported_folder(_exported: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(_exported, tmp_path / "cl2cm-tiny")
