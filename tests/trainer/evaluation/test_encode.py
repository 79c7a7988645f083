from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cl2cm_plugin.encoder.video import encode_video
from trainer.corpus.clip_files import write_clip
from trainer.evaluation.encode import encoders

pytest.importorskip("av")


def test_clips_and_pictures_are_encoded_as_serving_encodes_them(model_of, colours, tmp_path):
    model, file = model_of(), tmp_path / "clip.mp4"
    write_clip([Image.new("RGB", (32, 32), (level, 0, 90)) for level in range(0, 250, 25)], file)
    red = str(colours / "media" / "red.png")
    encode, _ = encoders(model)

    vectors = encode([red, str(file), red])

    np.testing.assert_allclose(vectors[1], encode_video(model, file), atol=1e-6)
    np.testing.assert_allclose(vectors[0], model.encode(Image.open(red)), atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_text_that_names_a_file_is_still_a_text(model_of, colours):
    _, encode = encoders(model_of())
    name = str(Path(colours) / "media" / "red.png")

    assert not np.allclose(encode([name]), encode(["red"]))
    assert encode(["red", "blue"]).shape == (2, 8)
