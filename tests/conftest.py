"""What several tests share: a tiny model, a store of their own, a child process to see what an import does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[1]
# Settings of the developer's own machine that would change what a test sees.
_FOREIGN_SETTINGS = ("HF_", "HUGGINGFACE_", "SENTENCE_TRANSFORMERS_HOME", "TRANSFORMERS_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that fork come first: an export leaves torch with threads that a fork does not carry over."""
    items.sort(key=lambda item: item.get_closest_marker("forks") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that fork where a recipe's devices would be GPUs."""
    if item.get_closest_marker("forks"):
        import torch

        if torch.cuda.is_available():
            pytest.skip("devices would be GPUs here")


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-tower model named ``cl2cm-tiny``: 8 dimensions, stock modules, built offline. Do not change it."""
    return tiny_model.build(tmp_path_factory.mktemp("models"))


@pytest.fixture
def model_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model store of this test alone, for `install`, `models`, `remove` and loading by name."""
    store = tmp_path / "model-store"
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(store))
    return store


@pytest.fixture(scope="session")
def child() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process of its own: ``child(code, folder, **environment)``; it must end well."""
    return run_child


def run_child(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process, in a folder, with only these settings of the hub."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_SETTINGS)}
    if inherited.pop("PYTHONDONTWRITEBYTECODE", None):
        # Compiling torch and transformers in every child would take most of the tests' time.
        inherited.setdefault("PYTHONPYCACHEPREFIX", str(Path(tempfile.gettempdir()) / "cl2cm-tests-bytecode"))
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def sound_alone(tmp_path: Path) -> Path:
    """``sound.mp4``: silence, and no pictures."""
    import numpy as np

    av = pytest.importorskip("av")
    file = tmp_path / "sound.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = 44_100
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    return file
