"""Which way computes a tower: the fastest of those that give the right vectors, measured once."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported.folder import Export
from cl2cm_plugin.exported.preprocessing import Preprocessing
from cl2cm_plugin.vectorizer.engines import EngineError, choice, exported_engine
from cl2cm_plugin.vectorizer.engines.choice import Wanted
from cl2cm_plugin.vectorizer.engines.exported_engine import ExportedEngine

PREPROCESSING = Preprocessing((8, 8), None, 3, None, None, (127, 127, 127), (128, 128, 128))
FILES = {f"{tower}.{precision}.onnx": "" for tower in ("text", "image") for precision in ("fp32", "int8")}
WITHOUT_INT8_PICTURES = {name: digest for name, digest in FILES.items() if name != "image.int8.onnx"}


class FakeTowers:
    def __init__(self, _find, _export, text, image, _threads):
        self.ways = {"text": str(text), "image": str(image)}

    def prepare_text(self, text):
        return text

    def prepare_image(self, image):
        return image

    def encode_texts(self, rows):
        return np.array([[0.0, 1.0] if row else [0.0, 0.0] for row in rows], dtype=np.float32)

    encode_images = encode_texts


class Machine:
    """Computes ways in these seconds, and some of them wrongly."""

    def __init__(self, seconds, wrong):
        self.seconds = seconds
        self.wrong = wrong
        self.timed: list[tuple[str, str]] = []

    def time(self, towers, tower):
        self.timed.append((tower, towers.ways[tower]))
        return self.seconds[towers.ways[tower]]

    def lowest_cosine(self, towers, _folder, tower, _precision):
        return 0.9 if (tower, towers.ways[tower]) in self.wrong else 1.0


@pytest.fixture
def machine(monkeypatch):
    def make(*, wrong=(), runtimes=("onnx", "openvino"), **seconds):
        usual = {"onnx-fp32": 4, "onnx-int8": 2, "openvino-fp32": 3, "openvino-int8": 1, "openvino-bf16": 0.5}
        made = Machine(usual | {way.replace("_", "-"): value for way, value in seconds.items()}, wrong)
        monkeypatch.setattr(choice.runtimes, "installed", lambda: list(runtimes))
        monkeypatch.setattr(choice.runtimes, "version", lambda name: "1.0")
        monkeypatch.setattr(choice, "has_bf16", lambda: False)
        monkeypatch.setattr(choice, "ExportedTowers", FakeTowers)
        monkeypatch.setattr(choice, "_time", made.time)
        monkeypatch.setattr(choice.probes, "lowest_cosine", made.lowest_cosine)
        return made

    return make


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Make an engine of a folder with these files; gives the ways of text and image."""

    def ways(*, files=FILES, wanted=None, remembered=None, threads=2, **given):
        export = Export(PREPROCESSING, 32, 0, dict(files))
        monkeypatch.setattr(exported_engine.exported, "read", lambda _folder: export)
        monkeypatch.setattr(exported_engine.exported, "checked", lambda folder, _export, name: folder / name)
        monkeypatch.setattr(exported_engine, "granted", lambda: threads)
        monkeypatch.setattr(exported_engine, "ExportedTowers", FakeTowers)
        name = ExportedEngine(tmp_path, wanted or Wanted(), remembered, **given).name
        return [part.split()[1] for part in name.split(", ")]

    return ways


def test_the_fastest_way_is_taken_for_each_tower(machine, serve, tmp_path):
    machine()
    assert serve() == ["openvino-int8", "openvino-int8"]
    machine(onnx_int8=0.1)
    assert serve() == ["onnx-int8", "onnx-int8"]
    machine(openvino_fp32=1.5, onnx_int8=0.1)
    assert serve(files=WITHOUT_INT8_PICTURES) == ["onnx-int8", "openvino-fp32"]


def test_ways_that_were_chosen_elsewhere_are_taken_without_measuring(machine, serve, tmp_path):
    computer = machine()
    chosen = {"text": "onnx-fp32", "image": "openvino-int8"}

    assert serve(ways=chosen, remembered=tmp_path / "engines.json") == list(chosen.values())
    assert computer.timed == []
    assert not (tmp_path / "engines.json").exists()


def test_a_way_that_was_chosen_elsewhere_is_not_taken_where_it_is_missing_or_wrong(machine, serve):
    machine(runtimes=("onnx",))
    assert serve(ways={"text": "openvino-int8", "image": "onnx-fp32"}) == ["onnx-int8", "onnx-fp32"]
    machine(wrong={("text", "openvino-int8")})
    assert serve(ways={"text": "openvino-int8", "image": "onnx-fp32"}) == ["onnx-int8", "openvino-int8"]


def test_noise_does_not_decide(machine, serve):
    machine(onnx_fp32=1.05)

    assert serve() == ["onnx-fp32", "onnx-fp32"]


def test_a_way_that_gives_other_vectors_here_is_not_taken(machine, serve, tmp_path, caplog):
    machine(wrong={("image", "openvino-int8")})

    assert serve() == ["openvino-int8", "onnx-int8"]
    assert "image tower in openvino-int8 gives other vectors on this processor" in caplog.text


def test_no_right_way_is_refused_with_the_reason(machine, serve, tmp_path):
    machine(wrong={("text", "onnx-int8")})

    with pytest.raises(UserError, match=r"text tower in onnx-int8 gives other vectors .* \(cosine 0\.900\)"):
        serve(wanted=Wanted("onnx", "int8"))
    machine(wrong={("text", "onnx-int8"), ("text", "onnx-fp32")})
    with pytest.raises(
        UserError, match=r"no way of computing the text tower \(onnx-fp32, onnx-int8\) gives the vectors"
    ):
        serve(wanted=Wanted("onnx"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted("onnx"), "onnx-int8"),
        (Wanted("auto", "fp32"), "openvino-fp32"),
        (Wanted("onnx", "fp32"), "onnx-fp32"),
    ],
)
def test_what_is_wanted_limits_the_choice(wanted, expected, machine, serve, tmp_path):
    machine()

    assert serve(wanted=wanted) == [expected, expected]


def test_bf16_is_tried_where_the_processor_has_it(machine, serve, tmp_path, monkeypatch):
    machine()
    monkeypatch.setattr(choice, "has_bf16", lambda: True)

    assert serve() == ["openvino-bf16", "openvino-bf16"]


def test_what_is_not_there_is_refused_with_what_is(machine, serve, tmp_path):
    machine(runtimes=["onnx"])

    with pytest.raises(UserError, match=r"openvino is not installed: run pip install 'cl2cm-plugin\[openvino\]'"):
        serve(wanted=Wanted("openvino"))
    with pytest.raises(UserError, match="image tower cannot be computed in int8 here; there is onnx-fp32"):
        serve(files=WITHOUT_INT8_PICTURES, wanted=Wanted("auto", "int8"))


def test_a_choice_is_measured_once(machine, serve, tmp_path):
    file = tmp_path / "cache" / "engines.json"
    machine()
    assert serve(remembered=file) == ["openvino-int8", "openvino-int8"]

    changed = machine(onnx_int8=0.1)
    assert serve(remembered=file) == ["openvino-int8", "openvino-int8"]
    assert not changed.timed
    # Other circumstances.
    assert serve(remembered=file, threads=4) == ["onnx-int8", "onnx-int8"]
    assert len(changed.timed) == 8
    # And back.
    assert serve(remembered=file) == ["openvino-int8", "openvino-int8"]
    assert len(changed.timed) == 8


def test_a_remembered_way_that_gives_other_vectors_now_is_measured_anew(machine, serve, tmp_path):
    file = tmp_path / "engines.json"
    machine()
    serve(remembered=file)

    machine(wrong={("text", "openvino-int8")})
    assert serve(remembered=file) == ["onnx-int8", "openvino-int8"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"KEY": 3}', '{"KEY": {"text": 3}}'])
def test_a_damaged_memory_is_forgotten(content, machine, serve, tmp_path):
    file = tmp_path / "engines.json"
    machine()
    serve(remembered=file)
    (key,) = json.loads(file.read_text("utf-8"))
    file.write_text(content.replace("KEY", key), encoding="utf-8")

    assert serve(remembered=file) == ["openvino-int8", "openvino-int8"]
    assert {"text": "openvino-int8", "image": "openvino-int8"} in json.loads(file.read_text("utf-8")).values()


def test_a_memory_that_cannot_be_written_costs_nothing_but_time(machine, serve, tmp_path, caplog):
    (tmp_path / "file").touch()
    machine()

    with caplog.at_level(logging.WARNING):
        assert serve(remembered=tmp_path / "file" / "engines.json") == ["openvino-int8"] * 2
    assert "cannot be remembered" in caplog.text


def test_vectors_that_no_search_can_use_are_refused(machine, serve, tmp_path):
    machine()
    serve()
    engine = ExportedEngine(tmp_path, Wanted())

    for encode in (engine.encode_texts, engine.encode_images):
        assert encode(["x"]).tolist() == [[0.0, 1.0]]
        with pytest.raises(EngineError, match="no usable vector"):
            encode(["x", ""])
