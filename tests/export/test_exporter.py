from __future__ import annotations

import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder.pictures import open_picture
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported import folder, probes
from cl2cm_plugin.exported.towers import ExportedTowers

TEXTS = ["a dog on the beach", "ein hund", "a", "strand " * 60, "unknown words"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_exported_model_gives_the_models_vectors(precision, tiny_model_folder, exported_folder, samples):
    model = SentenceTransformer(str(tiny_model_folder), device="cpu")
    towers = ExportedTowers(exported_folder, folder.read(exported_folder), precision)
    pictures = [open_picture(file) for file in samples.gallery]

    texts = towers.encode_texts([towers.prepare_text(text) for text in TEXTS])
    images = towers.encode_images([towers.prepare_image(picture) for picture in pictures])

    tolerance = {"fp32": 1e-5, "int8": 0.1}[precision]
    np.testing.assert_allclose(texts, model.encode([{"text": text} for text in TEXTS]), atol=tolerance)
    np.testing.assert_allclose(images, model.encode([{"image": picture} for picture in pictures]), atol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([texts, images]), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_vector_does_not_depend_on_the_company(precision, exported_folder):
    towers = ExportedTowers(exported_folder, folder.read(exported_folder), precision)
    rows = [towers.prepare_text(text) for text in TEXTS]

    together = towers.encode_texts(rows)
    alone = np.concatenate([towers.encode_texts([row]) for row in rows])

    # In 8 bits the activations of a batch share their range.
    np.testing.assert_allclose(together, alone, atol={"fp32": 1e-5, "int8": 0.1}[precision])


def test_a_text_without_tokens_is_no_error(exported_folder):
    towers = ExportedTowers(exported_folder, folder.read(exported_folder), "fp32")

    assert not towers.encode_texts([towers.prepare_text("")]).any()


def test_an_export_says_what_it_is_and_what_it_costs(exported_folder, tiny_model_folder):
    export = folder.read(exported_folder)

    assert export.precisions == ["fp32", "int8"]
    assert export.parity["fp32"]["largest_difference"] < 1e-5
    assert {"text", "image", "recall_at_10"} == set(export.parity["int8"])
    assert (exported_folder / "cl2cm.json").read_bytes() == (tiny_model_folder / "cl2cm.json").read_bytes()


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_file_is_refused(damage, exported_folder):
    file = exported_folder / "image.int8.onnx"
    file.unlink() if damage == "missing" else file.write_bytes(file.read_bytes() + b"x")

    with pytest.raises(UserError, match=r"image\.int8\.onnx is missing or not what was exported"):
        folder.read(exported_folder)


def test_a_file_outside_the_folder_is_never_opened(exported_folder):
    (exported_folder.parent / "secret").write_text("x", encoding="utf-8")
    values = json.loads((exported_folder / folder.FILE_NAME).read_text(encoding="utf-8"))
    values["files"]["../secret"] = folder.sha256(exported_folder.parent / "secret")
    (exported_folder / folder.FILE_NAME).write_text(json.dumps(values), encoding="utf-8")

    with pytest.raises(UserError, match="missing or not what was exported"):
        folder.read(exported_folder)


@pytest.mark.parametrize("content", ["{", "{}", '{"preprocessing": {"size": 3}}'])
def test_a_damaged_description_is_refused(content, exported_folder):
    (exported_folder / folder.FILE_NAME).write_text(content, encoding="utf-8")

    with pytest.raises(UserError, match=r"export\.json is damaged"):
        folder.read(exported_folder)


def test_another_folder_is_no_exported_model(tmp_path):
    with pytest.raises(UserError, match="is no exported model"):
        folder.read(tmp_path)


def test_probes_tell_whether_a_machine_computes_as_the_exporting_one_did(exported_folder):
    towers = ExportedTowers(exported_folder, folder.read(exported_folder), "int8")
    assert probes.lowest_cosine(towers, exported_folder, "int8") == pytest.approx(1)

    clipped = probes.vectors(towers)
    clipped[3] = -clipped[3]
    probes.write(exported_folder, {"int8": clipped})
    assert probes.lowest_cosine(towers, exported_folder, "int8") == pytest.approx(-1)
