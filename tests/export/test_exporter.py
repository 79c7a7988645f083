from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder.pictures import open_picture
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported import folder, probes
from cl2cm_plugin.exported.runtimes import Way
from cl2cm_plugin.exported.towers import ExportedTowers

TEXTS = ["a dog on the beach", "ein hund", "a", "strand " * 60, "unknown words"]


def towers_in(precision, place):
    export, way = folder.read(place), Way(precision=precision)
    return ExportedTowers(partial(folder.checked, place, export), export, way, way)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_exported_model_gives_the_models_vectors(precision, tiny_model_folder, exported_folder, samples):
    model = SentenceTransformer(str(tiny_model_folder), device="cpu")
    towers = towers_in(precision, exported_folder)
    pictures = [open_picture(file) for file in samples.gallery]

    texts = towers.encode_texts([towers.prepare_text(text) for text in TEXTS])
    images = towers.encode_images([towers.prepare_image(picture) for picture in pictures])

    tolerance = {"fp32": 1e-5, "int8": 0.1}[precision]
    np.testing.assert_allclose(texts, model.encode([{"text": text} for text in TEXTS]), atol=tolerance)
    np.testing.assert_allclose(images, model.encode([{"image": picture} for picture in pictures]), atol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([texts, images]), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_vector_does_not_depend_on_the_company(precision, exported_folder):
    towers = towers_in(precision, exported_folder)
    rows = [towers.prepare_text(text) for text in TEXTS]

    together = towers.encode_texts(rows)
    alone = np.concatenate([towers.encode_texts([row]) for row in rows])

    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_text_without_tokens_is_no_error(exported_folder):
    towers = towers_in("fp32", exported_folder)

    assert not towers.encode_texts([towers.prepare_text("")]).any()


def test_an_export_says_what_it_is_and_what_it_costs(exported_folder, tiny_model_folder):
    export = folder.read(exported_folder)

    assert [export.precisions(tower) for tower in ("text", "image")] == [["fp32", "int8"]] * 2
    assert export.parity["fp32"]["largest_difference"] < 1e-5
    assert {"text", "image", "recall_at_10"} == set(export.parity["int8"])
    assert (exported_folder / "cl2cm.json").read_bytes() == (tiny_model_folder / "cl2cm.json").read_bytes()


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_file_is_refused(damage, exported_folder):
    file = exported_folder / "image.int8.onnx"
    file.unlink() if damage == "missing" else file.write_bytes(file.read_bytes() + b"x")

    towers = towers_in("int8", exported_folder)
    with pytest.raises(UserError, match=r"image\.int8\.onnx is missing or not what was exported"):
        towers.encode_images([towers.prepare_image(picture) for picture in probes.pictures()])


@pytest.mark.parametrize("content", ["{", "{}", '{"preprocessing": {"size": 3}}'])
def test_a_damaged_description_is_refused(content, exported_folder):
    (exported_folder / folder.FILE_NAME).write_text(content, encoding="utf-8")

    with pytest.raises(UserError, match=r"export\.json is damaged"):
        folder.read(exported_folder)


def test_another_folder_is_no_exported_model(tmp_path):
    with pytest.raises(UserError, match="is no exported model"):
        folder.read(tmp_path)


def test_probes_tell_whether_a_machine_computes_as_the_exporting_one_did(exported_folder):
    towers = towers_in("int8", exported_folder)
    assert probes.lowest_cosine(towers, exported_folder / probes.FILE_NAME, "text", "int8") == pytest.approx(1)
    assert probes.lowest_cosine(towers, exported_folder / probes.FILE_NAME, "image", "int8") == pytest.approx(1)

    clipped = probes.vectors(towers, "image")
    clipped[3] = -clipped[3]
    probes.write(exported_folder, {"image.int8.onnx": clipped})
    assert probes.lowest_cosine(towers, exported_folder / probes.FILE_NAME, "image", "int8") == pytest.approx(-1)


def test_a_tower_asks_for_its_own_files_when_it_is_first_used(exported_folder):
    asked, way = [], Way()

    def find(name):
        asked.append(name)
        return exported_folder / name

    towers = ExportedTowers(find, folder.read(exported_folder), way, way)
    assert asked == []
    for _ in range(2):
        towers.encode_images([towers.prepare_image(picture) for picture in probes.pictures()])
    assert asked == ["image.fp32.onnx"]
    for _ in range(2):
        towers.encode_texts([towers.prepare_text("a dog")])
    assert asked == ["image.fp32.onnx", "tokenizer.json", "text.fp32.onnx"]
