"""A vectorizer written the way stock inference containers are, as a process of its own: stock.py MODEL PORT.

One lock is held around decoding, preprocessing and the model, so one object is in the model at a time; torch in single
precision; vectors become lists, and FastAPI writes them as JSON. Requests are read on the event loop and worked on in
a thread pool.
"""

from __future__ import annotations

import asyncio
import base64
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from PIL import Image
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

from trainer.console import quiet_libraries


class Request(BaseModel):
    """The body of ``POST /vectorize``: texts, and pictures in base64."""

    texts: list = []
    images: list = []


class Model:
    """Both towers behind one lock.

    Args:
        folder: A model folder.
    """

    def __init__(self, folder: str) -> None:
        self._model = SentenceTransformer(folder, device="cpu", local_files_only=True)
        self._lock = Lock()

    def vectorize(self, request: Request) -> dict[str, list]:
        """Encode what is asked for, one request at a time."""
        answer: dict[str, list] = {"textVectors": [], "imageVectors": []}
        if request.texts:
            with self._lock:
                answer["textVectors"] = self._encode(request.texts)
        if request.images:
            with self._lock:
                answer["imageVectors"] = self._encode([_picture(image) for image in request.images])
        return answer

    def _encode(self, inputs: list) -> list:
        vectors: Any = self._model.encode(inputs, convert_to_tensor=True, show_progress_bar=False)
        return vectors.tolist()


def _picture(content: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    return image if image.mode == "RGB" else image.convert("RGB")


def make_app(folder: str) -> FastAPI:
    """Make the service."""
    app, model, threads = FastAPI(), Model(folder), ThreadPoolExecutor()

    @app.get("/.well-known/ready", status_code=204)
    async def ready() -> Response:
        return Response(status_code=204)

    @app.post("/vectorize")
    async def vectorize(request: Request) -> Any:
        return await asyncio.wrap_future(threads.submit(model.vectorize, request))

    return app


if __name__ == "__main__":
    quiet_libraries()
    uvicorn.run(make_app(sys.argv[1]), port=int(sys.argv[2]), access_log=False, log_level="warning")
