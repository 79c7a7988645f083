"""A model of English and German, and Czech to add to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from adding import CZECH, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(model_of: Any, tmp_path: Path) -> Path:
    """The folder of a model of English and German with all its pieces."""
    return save(model_of(), tmp_path / "model")


@pytest.fixture
def czech(colours: Path) -> Path:
    """The corpus of colours, with English-Czech pairs."""
    lines = ["source\ttarget", *(f"{english}\t{target}" for english, target in CZECH.items())]
    (colours / "pairs" / "en-cs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return colours
