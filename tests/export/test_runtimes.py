"""Runtimes give the same vectors of the same graph."""

from __future__ import annotations

import numpy as np
import pytest

from cl2cm_plugin.exported import folder, probes, runtimes
from cl2cm_plugin.exported.runtimes import Way
from cl2cm_plugin.exported.towers import ExportedTowers


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("tower", ["text", "image"])
def test_openvino_gives_the_vectors_of_onnx_runtime(tower, precision, exported_folder):
    pytest.importorskip("openvino")
    export = folder.read(exported_folder)

    onnx, openvino = (
        probes.vectors(ExportedTowers(exported_folder.joinpath, export, way, way, 1), tower)
        for way in (Way("onnx", precision), Way("openvino", precision))
    )

    np.testing.assert_allclose(openvino, onnx, atol={"fp32": 1e-5, "int8": 0.1}[precision])


def test_an_answer_of_openvino_is_not_written_over_by_the_next(exported_folder):
    pytest.importorskip("openvino")
    way = Way("openvino")
    towers = ExportedTowers(exported_folder.joinpath, folder.read(exported_folder), way, way, 1)

    first = towers.encode_texts([towers.prepare_text("ein hund")])
    kept = first.copy()
    towers.encode_texts([towers.prepare_text("a strand")])

    np.testing.assert_array_equal(first, kept)


def test_those_that_are_here_are_listed(monkeypatch):
    assert runtimes.installed()[0] == "onnx"
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None if name == "openvino" else object())
    assert runtimes.installed() == ["onnx"]
