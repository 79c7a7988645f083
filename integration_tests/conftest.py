from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import tiny_model
from vectorizer_process import VectorizerProcess


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory):
    """A random two-tower model; do not change it."""
    return tiny_model.build(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """Where the embedded server of this test session keeps its data."""
    return tmp_path_factory.mktemp("weaviate")


@pytest.fixture(scope="session")
def stand_in():
    """A stand-in vectorizer, one for the session; tests that kill it leave it running again."""
    vectorizer = VectorizerProcess().start()
    yield vectorizer
    vectorizer.kill()


@pytest.fixture(scope="session")
def client(stand_in, data_folder):
    """A native client, connected to a real embedded server that is started once."""
    pytest.importorskip("weaviate")
    from cl2cm_plugin import collections

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WEAVIATE_URL", raising=False)
        with collections.connect(stand_in.url, data=data_folder) as connected:
            yield connected
