from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

from cl2cm_plugin.exported.preprocessing import Preprocessing

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PROCESSORS = {
    "squashed": (
        EfficientNetImageProcessorPil(
            do_rescale=False,
            image_mean=[127.0] * 3,
            image_std=[128.0] * 3,
            resample=3,
            include_top=False,
            rescale_offset=False,
            size={"height": 48, "width": 40},
            do_center_crop=False,
        ),
        Preprocessing((48, 40), None, 3, None, None, (127, 127, 127), (128, 128, 128)),
    ),
    "centre of the whole": (
        CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 36}),
        Preprocessing(None, 40, 3, (32, 36), 1 / 255, MEAN, STD),
    ),
    "larger than the picture": (
        CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 64, "width": 64}, resample=2),
        Preprocessing(None, 30, 2, (64, 64), 1 / 255, MEAN, STD),
    ),
}


@pytest.mark.parametrize("kind", PROCESSORS)
@pytest.mark.parametrize("size", [(64, 48), (33, 217), (500, 40), (40, 48), (1, 1)])
def test_pixels_are_those_of_training_to_the_bit(kind, size):
    processor, ours = PROCESSORS[kind]
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)

    expected = processor(image, return_tensors="np")["pixel_values"][0]
    found = ours(image)

    assert found.dtype == np.float32
    assert found.shape == (3, *ours.pixels)
    np.testing.assert_array_equal(found, expected)
