"""An installation without extras serves an exported model: no torch, no transformers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {
    "torch",
    "transformers",
    "sentence-transformers",
    "weaviate-client",
    "pydantic",
    "fastapi",
    "lightning",
    "ray",
}
TEXTS = ["a dog on the beach", "ein Hund am Strand"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def binaries(tmp_path_factory):
    """The commands of a new environment with nothing but the package."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.is_file():
        pytest.skip("the environment was not made by `make`, so it has no uv to make another one")
    place = tmp_path_factory.mktemp("small")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", place / "bin/python"]
    subprocess.run([*install, "--constraint", ROOT / "constraints.txt", ROOT], check=True)
    return place / "bin"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_model_folder):
    """A model as `cl2cm export` writes it."""
    out = tmp_path_factory.mktemp("exported") / "model"
    subprocess.run([sys.executable, "-m", "cl2cm_plugin.cli", "export", tiny_model_folder, out], check=True)
    return out


@pytest.fixture
def url(binaries, exported, tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [binaries / "cl2cm", "serve", exported, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r" at (http://\S+)\.$", process.stdout.readline().strip())
            assert found
            wait_until_ready(found[1])
            yield found[1]
        finally:
            process.terminate()


def wait_until_ready(url):
    for _ in range(600):
        try:
            return urllib.request.urlopen(f"{url}/.well-known/ready", timeout=5)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("never ready")


def test_nothing_heavy_is_installed(binaries):
    listed = subprocess.run([binaries / "python", "-m", "cl2cm_plugin.cli", "--help"], capture_output=True, check=True)
    assert b"serve" in listed.stdout
    code = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    names = subprocess.run(
        [binaries / "python", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "onnxruntime" in names
    assert not HEAVY & set(names)


def test_it_gives_the_models_vectors(url, tiny_model_folder):
    from sentence_transformers import SentenceTransformer

    with urllib.request.urlopen(f"{url}/vectorize", json.dumps({"texts": TEXTS}).encode(), timeout=30) as answer:
        vectors = np.array(json.load(answer)["textVectors"])

    model = SentenceTransformer(str(tiny_model_folder), device="cpu")
    np.testing.assert_allclose(vectors, model.encode([{"text": text} for text in TEXTS]), atol=1e-4)


def test_a_model_that_needs_torch_is_refused_with_the_extra(binaries, tiny_model_folder, tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [binaries / "cl2cm", "serve", tiny_model_folder, "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    assert refused.returncode == 1
    assert "pip install 'cl2cm-plugin[model]'" in refused.stderr
