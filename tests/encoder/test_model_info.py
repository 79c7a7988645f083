"""What ``cl2cm.json`` says, and when a fingerprint changes."""

from __future__ import annotations

import json

import pytest

from cl2cm_plugin import UserError
from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.encoder.model_info import ModelInfo


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "text" / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_what_is_written_is_read_again(folder):
    info = ModelInfo("cl2cm-de", "0123456789abcdef", 256, ["en", "de"], "Apache-2.0", 64, 224, "Bilder von Straßen")
    model_info.write(folder, info)
    assert model_info.read(folder) == info
    assert "Straßen" in (folder / "cl2cm.json").read_text(encoding="utf-8")


def test_the_identity_is_name_and_fingerprint():
    assert ModelInfo("cl2cm-de", "0123456789abcdef", 256).identity == "cl2cm-de@0123456789abcdef"


def test_facts_that_a_newer_version_wrote_are_left_out(folder):
    (folder / "cl2cm.json").write_text(json.dumps({"name": "a", "fingerprint": "b", "dimensions": 1, "novelty": 2}))
    assert model_info.read(folder) == ModelInfo("a", "b", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, r"no cl2cm model.*no cl2cm\.json"), ("{", "is damaged"), ('{"name": "a"}', "lacks name, fingerprint or")],
)
def test_a_missing_or_damaged_file_is_one_clear_sentence(folder, text, message):
    if text is not None:
        (folder / "cl2cm.json").write_text(text)
    with pytest.raises(UserError, match=message):
        model_info.read(folder)


def test_the_fingerprint_is_16_hexadecimal_digits_and_repeatable(folder):
    first = model_info.fingerprint(folder)
    assert len(first) == 16
    assert int(first, 16) >= 0
    assert model_info.fingerprint(folder) == first


@pytest.mark.parametrize("file", ["cl2cm.json", "README.md", ".gitattributes"])
def test_what_cannot_change_a_vector_does_not_change_the_fingerprint(folder, file):
    before = model_info.fingerprint(folder)
    (folder / file).write_text("other words")
    assert model_info.fingerprint(folder) == before


def test_a_change_of_content_of_name_or_of_place_changes_the_fingerprint(folder):
    seen = {model_info.fingerprint(folder)}
    weights = folder / "text" / "model.safetensors"
    weights.write_bytes(b"weightz")
    seen.add(model_info.fingerprint(folder))
    weights.rename(weights.with_name("other.safetensors"))
    seen.add(model_info.fingerprint(folder))
    (folder / "text").rename(folder / "image")
    seen.add(model_info.fingerprint(folder))
    assert len(seen) == 4


def test_the_place_of_the_folder_itself_does_not_matter(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "model"
    before = model_info.fingerprint(folder)
    folder.rename(elsewhere)
    assert model_info.fingerprint(elsewhere) == before


def test_a_model_with_another_image_tower_extends_nothing(folder):
    (folder / "image_0_Transformer").mkdir()
    weights = folder / "image_0_Transformer" / "model.safetensors"
    weights.write_bytes(b"weights")
    image = model_info.image_fingerprint(folder)
    info = ModelInfo("a-cs", "", 8, image_fingerprint=image, extends=["a@1"])

    kept = model_info.with_fingerprints(info, folder)
    assert kept.identities == [f"a-cs@{model_info.fingerprint(folder)}", "a@1"]
    weights.write_bytes(b"others")
    assert model_info.with_fingerprints(kept, folder).extends == []
