from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import model_info, two_tower
from cl2cm_plugin.encoder.model_info import ModelInfo

TEXTS = [{"text": text} for text in ("a dog", "ein hund am strand", "x", "")]
INFO = ModelInfo(name="cl2cm-de", fingerprint="", dimensions=8, languages=["en", "de"])


@pytest.fixture
def model(tiny_model_folder) -> SentenceTransformer:
    """A new two-tower model from the backbones inside the tiny one, with projections of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        text, image = (tiny_model_folder / f"{route}_0_Transformer" for route in ("text", "image"))
        return two_tower.build(text, image, dimensions=8, max_tokens=12)


@pytest.fixture
def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)) for size in ((20, 30, 3), (16, 16, 3))]


def test_texts_and_pictures_share_one_space_of_unit_vectors(model, pictures):
    vectors = np.concatenate([model.encode(TEXTS), model.encode(pictures)])

    assert vectors.shape == (6, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not model.training


def test_a_saved_model_gives_the_same_vectors_through_the_plain_constructor(model, pictures, tmp_path, child):
    two_tower.save(model, tmp_path / "model", "# card", INFO)
    np.save(tmp_path / "pixels.npy", np.asarray(pictures[0]))
    code = (
        "import numpy, sys\nfrom PIL import Image\nfrom sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer('model', device='cpu')\n"
        f"numpy.save('texts', model.encode({TEXTS!r}))\n"
        "numpy.save('images', model.encode([Image.fromarray(numpy.load('pixels.npy'))]))\n"
        "assert not any(name.startswith('cl2cm') for name in sys.modules)\n"
    )
    child(code, tmp_path)

    np.testing.assert_allclose(np.load(tmp_path / "texts.npy"), model.encode(TEXTS), atol=1e-6)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), model.encode(pictures[:1]), atol=1e-6)


def test_everybody_may_read_the_files(model, tmp_path):
    two_tower.save(model, tmp_path / "model", "# card", INFO)

    modes = {file.name: file.stat().st_mode & 0o777 for file in Path(tmp_path / "model").rglob("*") if file.is_file()}
    assert "model.safetensors" in modes
    assert set(modes.values()) == {0o644}


def test_the_fingerprint_tells_weights_not_prose(model, tmp_path):
    first = two_tower.save(model, tmp_path / "a", "# card", INFO)
    prose = two_tower.save(model, tmp_path / "b", "# another card", INFO)
    with torch.no_grad():
        two_tower.image_route(model)[1].linear.bias += 0.5
    weights = two_tower.save(model, tmp_path / "c", "# card", INFO)

    assert first.fingerprint == prose.fingerprint != weights.fingerprint
    assert model_info.read(tmp_path / "a") == first
    assert (tmp_path / "b" / "README.md").read_text(encoding="utf-8") == "# another card"


def test_a_model_that_was_used_is_saved_as_the_same_one(model, tmp_path):
    fresh = two_tower.save(model, tmp_path / "fresh", "# card", INFO)
    model.encode(TEXTS)

    assert two_tower.save(model, tmp_path / "used", "# card", INFO) == fresh


def test_saving_twice_into_one_folder_gives_the_second_model(model, tmp_path):
    two_tower.save(model, tmp_path / "m", "# card", INFO)
    again = two_tower.save(model, tmp_path / "m", "# card", INFO)

    assert again.fingerprint == model_info.fingerprint(tmp_path / "m")


def test_long_texts_are_cut_where_the_model_says(model, tmp_path):
    long = " ".join(["dog"] * 12)
    two_tower.save(model, tmp_path / "m", "# card", INFO)
    loaded = SentenceTransformer(str(tmp_path / "m"), device="cpu")

    for one in (model, loaded):
        np.testing.assert_array_equal(one.encode([{"text": long}]), one.encode([{"text": long + " a beach"}]))


def test_image_backends_do_not_depend_on_what_is_installed(model, tmp_path):
    two_tower.save(model, tmp_path / "m", "# card", INFO)
    loaded = SentenceTransformer(str(tmp_path / "m"), device="cpu")

    processor = two_tower.image_route(loaded)[0].processor
    assert "Pil" in type(getattr(processor, "image_processor", processor)).__name__


def test_the_routes_name_the_parts(model):
    transformer, pooling, projection = two_tower.text_route(model)
    assert pooling.pooling_mode == "mean"
    assert projection.linear.out_features == 8
    assert two_tower.image_route(model)[1].linear.out_features == 8
    assert transformer.tokenizer.model_max_length == 12
