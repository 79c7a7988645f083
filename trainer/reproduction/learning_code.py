"""A hash of the code that decides what a run learns and how it is measured, blind to comments and layout."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import cl2cm_plugin
import trainer
from trainer.digest import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What decides, by package; nothing that only starts, reports or serves.
_DECIDES = {
    cl2cm_plugin: (
        "encoder/two_tower.py",
        "encoder/vocabulary.py",
        "encoder/pictures.py",
        "encoder/video.py",
        "encoder/backbones",
    ),
    trainer: (
        "objectives",
        "methods",
        "towers",
        "shared_networks.py",
        "stages.py",
        "fit.py",
        "corpus/batches.py",
        "corpus/benchmark_photographs.py",
        "corpus/captioned_media.py",
        "corpus/image_features.py",
        "corpus/media.py",
        "corpus/noise.py",
        "corpus/pair_filter.py",
        "corpus/pixels.py",
        "corpus/training_data.py",
        "evaluation/encode.py",
        "evaluation/measurement.py",
        "evaluation/picture_hits.py",
        "evaluation/retrieval.py",
    ),
}

# What decides besides where a language is added to a model.
_DECIDES_ADDITION = ("add_language.py", "language_texts.py", "language_vocabulary.py")

# Code that was rearranged and learns the same: its hash, and that of the code before. An entry is made only after runs
# of both gave models with the same fingerprints, in both stages, with and without shared networks.
_SAME = {
    # Pairs that look wrong can be left out: a line of the recipe that no run of before has.
    "d55408973ae299b3": "9fce62ac9f2d2bb0",
    # Mended, nothing of which the plan's runs or photographs have: resuming with workers, and after patience; pairs
    # with an empty side, pictures twice in a split, fewer pairs than pictures in one stage, new pieces under Muon.
    "9fce62ac9f2d2bb0": "c95c87128906841e",
    # More of the code counts; shared networks have a file of their own; of two runs that want the same features one
    # waits. Mended: batches that processes share unevenly, the order of states, what a tokenizer's last call left.
    "c95c87128906841e": "255937d216d19c5a",
    # Under bfloat16 features can be joined, attention is plain products, and Muon and what is computed once for
    # training are in bfloat16 too; in single precision, that of all results before but one (embedding distillation
    # alone, seed 0: bfloat16, with what is computed once in single precision), nothing is another.
    "255937d216d19c5a": "11472a95027ca334",
    # Processes and listeners of training moved to trainer/launch.py; networks are shared with their space.
    "11472a95027ca334": "a9c64fc76fbd7909",
    # Networks share the space of their frozen sources where only what comes after it differs; precision names one too.
    "58a2586fd0b53709": "d55408973ae299b3",
    "4ca410e8d62b36c9": "de4a86e9c191eb18",
    # Adding a language: what a tokenizer's last call left in a model.
    "959ee81887cea60c": "0b753e77282b16b8",
}


def learning_code() -> str:
    """Hash the code that decides a run's figures: 16 hexadecimal digits; the same for code that learns the same."""
    return _known(_places())


def _places() -> Iterator[Path]:
    return (Path(str(package.__file__)).parent / name for package, names in _DECIDES.items() for name in names)


def addition_code() -> str:
    """Hash what decides besides where a language is added to a model."""
    return _known(Path(str(trainer.__file__)).parent / name for name in _DECIDES_ADDITION)


def _known(places: Iterable[Path]) -> str:
    found = _hashed(places)
    while found in _SAME:
        found = _SAME[found]
    return found


def _hashed(places: Iterable[Path]) -> str:
    sources = [file for place in places for file in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]
    return digest(_meaning(file.read_text(encoding="utf-8")) for file in sources)


def _meaning(source: str) -> str:
    """A module's syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
