from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from trainer.corpus import captioned_media
from trainer.evaluation.measurement import measure_split

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpus import CaptionedMedia

# A caption is a word that says which picture its vector is nearest to: "sun-b" describes `sun`, and finds `bee`.
PICTURES = {"ant": (255, 0, 0), "bee": (0, 255, 0), "sun": (0, 0, 255)}
CAPTIONS = [
    ("ant", "en", "ant-a", "parallel"),
    ("ant", "en", "ant-b and more words", "people"),
    ("bee", "en", "bee-b", "parallel"),
    ("sun", "en", "sun-b", "people"),
    ("ant", "de", "ant-a", "parallel"),
    ("bee", "de", "bee-a", "parallel"),
    ("sun", "zh", "sun-s", ""),
]


def toy_pictures(files: list[str]) -> np.ndarray:
    return np.eye(3)[[["ant", "bee", "sun"].index(file.rpartition("/")[2][:3]) for file in files]]


def toy_texts(texts: list[str]) -> np.ndarray:
    # Nearest to the picture after the dash; of the other two, the earlier one scores higher.
    scores = {"a": (1.0, 0.2, 0.1), "b": (0.2, 1.0, 0.1), "s": (0.2, 0.1, 1.0)}
    return np.asarray([scores[text[4]] for text in texts])


@pytest.fixture
def toy_corpus(tmp_path: Path) -> CaptionedMedia:
    """Three pictures; English has parallel and other captions, German parallel ones alone, Chinese none of them."""
    media = []
    for name, colour in PICTURES.items():
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
        media.append((name, str(tmp_path / f"{name}.png")))
    splits = {"all": ["sun", "bee", "ant"], "animals": ["ant", "bee"], "sky": ["sun"]}
    return captioned_media.assemble(
        "toy", tmp_path, media, CAPTIONS, [], splits, attribution="by nobody", parallel_source="parallel"
    )


@pytest.fixture
def toy_encoders():
    """What encodes the toy corpus: pictures, texts."""
    return toy_pictures, toy_texts


@pytest.fixture
def measure(toy_corpus):
    """Measure the toy corpus: ``measure(languages, split, sources)``."""

    def run(languages, split=None, sources=()):
        return measure_split(toy_corpus, split, languages, toy_pictures, toy_texts, sources)

    return run
