"""OnnxEngine: which precision it chooses, and what it refuses. Its vectors are tested where models are exported."""

from __future__ import annotations

import numpy as np
import pytest

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported.folder import Export
from cl2cm_plugin.exported.preprocessing import Preprocessing
from cl2cm_plugin.vectorizer.engines import EngineError, onnx_engine
from cl2cm_plugin.vectorizer.engines.onnx_engine import OnnxEngine

FILES = {f"{tower}.{precision}.onnx": "" for tower in ("text", "image") for precision in ("fp32", "int8")}
PREPROCESSING = Preprocessing((8, 8), None, 3, None, None, (127, 127, 127), (128, 128, 128))


class FakeTowers:
    def __init__(self, _folder, _export, precision, _threads):
        self.precision = precision

    def prepare_text(self, text):
        return text

    def encode_texts(self, rows):
        return np.array([[0.0, 1.0] if row else [0.0, 0.0] for row in rows], dtype=np.float32)


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Make an engine of a folder with these files, where 8 bits come as close as this to the exporting machine."""

    def engine(precision="auto", *, int8_is_alike=1.0, files=FILES):
        export = Export(PREPROCESSING, 32, 0, dict(files))
        monkeypatch.setattr(onnx_engine.exported, "read", lambda _folder: export)
        monkeypatch.setattr(onnx_engine, "ExportedTowers", FakeTowers)
        alike = {"int8": int8_is_alike, "fp32": 1.0}
        monkeypatch.setattr(onnx_engine.probes, "lowest_cosine", lambda towers, *_: alike[towers.precision])
        return OnnxEngine(tmp_path, precision)

    return engine


@pytest.mark.parametrize(
    ("asked", "int8_is_alike", "chosen"),
    [("auto", 1.0, "onnx-int8"), ("auto", 0.9, "onnx-fp32"), ("int8", 1.0, "onnx-int8"), ("fp32", 1.0, "onnx-fp32")],
)
def test_eight_bits_are_taken_where_they_give_the_right_vectors(asked, int8_is_alike, chosen, make):
    assert make(asked, int8_is_alike=int8_is_alike).name == chosen


def test_a_model_without_eight_bits_is_served_in_single_precision(make):
    files = {name: "" for name in FILES if "fp32" in name}

    assert make(files=files).name == "onnx-fp32"
    with pytest.raises(UserError, match="was exported without int8"):
        make("int8", files=files)


def test_other_vectors_than_where_it_was_exported_are_refused(make):
    with pytest.raises(UserError, match=r"int8 gives other vectors on this processor .* \(0\.900\)"):
        make("int8", int8_is_alike=0.9)


def test_a_vector_that_no_search_can_use_is_refused(make):
    engine = make()

    assert engine.encode_texts(["x"]).tolist() == [[0.0, 1.0]]
    with pytest.raises(EngineError, match="no usable vector"):
        engine.encode_texts(["x", ""])
