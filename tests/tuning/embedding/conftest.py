"""A collection, and an embedder that needs no Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import archive_sample
import pytest

from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.vectorizer.engines.opening import Opening
from tuning.embedding.embedder import Embedder, Work
from tuning.embedding.source import from_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def archive(tmp_path) -> Path:
    """`archive_sample` in a folder of this test's own."""
    archive_sample.write(tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture
def source(archive, tmp_path):
    """The archive's list."""
    return from_folder(archive, None, tmp_path / "list.parquet")


@pytest.fixture
def info(tiny_model_folder) -> model_info.ModelInfo:
    return model_info.read(tiny_model_folder)


@pytest.fixture
def embedder(tiny_model_folder):
    """Makes an embedder with the tiny model on torch: ``embedder(source, caption_vectors=True)``."""

    def make(source, **given) -> Embedder:
        return Embedder(Work(source, Opening(tiny_model_folder), archive_sample.DIMENSIONS, **given))

    return make


@pytest.fixture(scope="session")
def exported_folder(tiny_model_folder, tmp_path_factory) -> Path:
    """The tiny model as `cl2cm export` writes it, in single precision. Do not change it."""
    from cl2cm_plugin.export.exporter import Exporter

    folder = tmp_path_factory.mktemp("exported") / "cl2cm-tiny"
    folder.mkdir()
    exporter = Exporter(tiny_model_folder, folder)
    exporter.single_precision()
    exporter.finish()
    return folder
