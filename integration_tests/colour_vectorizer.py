"""The real vectorizer over an engine that needs no model: vectors from colours, as in the stand-in."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import numpy as np
import uvicorn
from stand_in import DIMENSIONS, colour_vector, text_vector

from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.vectorizer.settings import Settings
from cl2cm_plugin.vectorizer.web.app import create_app
from cl2cm_plugin.vectorizer.web.server import bind, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

INFO = ModelInfo(name="colours", fingerprint="0123456789abcdef", dimensions=DIMENSIONS, languages=["en", "de"])


class ColourEngine:
    """Breaks on texts with "poison"."""

    name = "colours"

    def prepare_text(self, text: str) -> str:
        return text

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return image

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        if any("poison" in text for text in texts):
            raise ValueError("poisoned")
        return np.stack([text_vector(text) for text in texts]).astype(np.float32)

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        colours = [np.asarray(image, dtype=np.float64).reshape(-1, 3).mean(axis=0) for image in images]
        return np.stack([colour_vector(tuple(colour)) for colour in colours]).astype(np.float32)


@contextmanager
def colour_vectorizer(token: str = "") -> Iterator[str]:
    """Serve in a thread; yields the address."""
    bound = bind("127.0.0.1", 0)
    app = create_app([(INFO, ColourEngine)], Settings(token=token))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        url = url_of(bound)
        deadline = time.monotonic() + 30
        while not _is_ready(url):
            assert time.monotonic() < deadline, "the vectorizer did not start"
            time.sleep(0.05)
        yield url
    finally:
        server.should_exit = True
        thread.join(30)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/.well-known/ready", timeout=5, trust_env=False).status_code == 204
    except httpx.HTTPError:
        return False
