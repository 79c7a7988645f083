"""What the contracts' tests share: a picture, comparing vectors, and reading refusals."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..conftest import encoded

PICTURE = Image.new("RGB", (4, 4), "navy")
PICTURE_BASE64 = encoded(PICTURE)


def close(vectors, expected) -> bool:
    vectors, expected = np.array(vectors, dtype=np.float32), np.array(expected)
    return vectors.shape == expected.shape and np.allclose(vectors, expected, atol=1e-6)


def refusal(response, status: int, *keys: str) -> str:
    """The sentence of a refusal, which stands under each of the keys."""
    assert response.status_code == status, response.text
    assert sorted(response.json()) == sorted(keys or ("error",))
    (sentence,) = {response.json()[key] for key in keys or ("error",)}
    return sentence
