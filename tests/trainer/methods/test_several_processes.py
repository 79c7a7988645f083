"""Training on several processes ends in the weights of one process, and the paper's recipe runs on tiny models."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from sentence_transformers import SentenceTransformer

from trainer import corpus, fit, recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def vectors(run: fit.Run) -> np.ndarray:
    return SentenceTransformer(str(run.model), device="cpu").encode([{"text": "a red picture"}, {"text": "rot"}])


@pytest.fixture
def train(text_backbone: Path, image_backbone: Path, colours: Path) -> Callable[..., fit.Run]:
    def run(folder: Path, devices: int, patience: int = 0, **stage_2: Any) -> fit.Run:
        # One batch an epoch, of an odd number of sentences: the shares of the processes differ.
        optimiser = {"epochs": 3, "batch_size": 64, "lr_projection": 0.01, "patience": patience}
        values: dict[str, Any] = {
            "model": {"text": str(text_backbone), "image": str(image_backbone), "dimensions": 8, "vocabulary": "all"},
            "cross_lingual": {"optimiser": optimiser},
            "cross_modal": {"optimiser": optimiser, "feature_dropout": 0, **stage_2},
            "compute": {"devices": devices, "precision": "float32"},
            "dev_pictures": 2 if patience else 0,
        }
        return fit.fit(recipe.Recipe.model_validate(values), corpus.read(colours), folder)

    return run


@pytest.mark.forks
@pytest.mark.parametrize("patience", [0, 3])
def test_two_processes_end_in_the_weights_of_one(patience, train, tmp_path):
    one, two = (vectors(train(tmp_path / str(devices), devices, patience)) for devices in (1, 2))

    np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.forks
@pytest.mark.timeout(120)
def test_a_process_without_a_translation_keeps_nobody_waiting(train, colours, tmp_path):
    pairs = colours / "pairs" / "en-de.tsv"
    header, *lines = pairs.read_text(encoding="utf-8").splitlines()
    # Two of six pictures have translations: in some epoch both are with one process.
    lines = [line for line in lines if any(word in line for word in ("rot", "blau", "niemand"))]
    pairs.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    one, two = (vectors(train(tmp_path / str(devices), devices, untranslated=True)) for devices in (1, 2))

    np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.forks
@pytest.mark.parametrize("compute", [{}, {"devices": 2, "precision": "bfloat16"}])
def test_the_papers_recipe_runs_on_tiny_models(compute, text_backbone, image_backbone, colours, tmp_path):
    values = yaml.safe_load(files("trainer.recipes").joinpath("paper.yaml").read_text(encoding="utf-8"))
    values["model"].update({"text": str(text_backbone), "image": str(image_backbone), "trained_layers": 2})
    values["dev_pictures"] = 2
    values["compute"].update({"workers": 1, **compute})
    for stage in ("cross_lingual", "cross_modal"):
        values[stage]["optimiser"].update({"epochs": 2, "batch_size": 4})
    run = fit.fit(recipe.Recipe.model_validate(values), corpus.read(colours), tmp_path / "run")

    np.testing.assert_allclose(np.linalg.norm(vectors(run), axis=1), 1, atol=1e-5)
