"""Which engine runs a model folder, and that this can be decided in one process and done in another."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.engines import exported_engine, torch_engine
from cl2cm_plugin.vectorizer.engines.choice import Wanted
from cl2cm_plugin.vectorizer.engines.opening import Opening, opening


@pytest.fixture
def exported(tmp_path):
    (tmp_path / "export.json").write_text("{}")
    return tmp_path


@pytest.fixture
def trained(tmp_path):
    (tmp_path / "modules.json").write_text("[]")
    return tmp_path


def test_an_exported_model_runs_in_what_is_wanted(exported):
    assert opening(str(exported), "onnx", "int8") == Opening(exported, Wanted("onnx", "int8"))


def test_another_model_runs_on_torch(trained):
    assert opening(str(trained), "auto", "fp32") == Opening(trained)


@pytest.mark.parametrize(("runtime", "precision"), [("onnx", "auto"), ("auto", "int8")])
def test_what_only_exported_models_can_do_is_refused_for_others(trained, runtime, precision):
    with pytest.raises(UserError, match=r"no exported model.*`cl2cm export .* FOLDER`"):
        opening(str(trained), runtime, precision)


def test_an_unknown_name_is_refused(model_store):
    with pytest.raises(UserError, match="No model named 'nothing'"):
        opening("nothing", "auto", "auto")


def test_it_is_opened_after_a_journey_as_it_was_packed(monkeypatch):
    opened = []
    monkeypatch.setattr(exported_engine, "ExportedEngine", lambda *given, **named: opened.append((given, named)))
    monkeypatch.setattr(torch_engine, "TorchEngine", lambda *given: opened.append(given))
    monkeypatch.setenv("CL2CM_CACHE", "/elsewhere")
    ways = {"text": "onnx-fp32", "image": "onnx-fp32"}

    pickle.loads(pickle.dumps(Opening(Path("model"), Wanted("onnx"), 3, ways))).open()
    pickle.loads(pickle.dumps(Opening(Path("model")))).open()

    given = (Path("model"), Wanted("onnx"), Path("/elsewhere/engines.json"))
    assert opened == [(given, {"threads": 3, "ways": ways}), (Path("model"),)]
