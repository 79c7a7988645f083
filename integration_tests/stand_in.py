"""A stand-in for the vectorizer: the same HTTP contract, vectors from colours instead of a model.

Run as a process of its own (``python stand_in.py --port 9000``), so that a test can kill it the hard way. A picture's
vector depends on its mean colour only, a text's on the colour that its words name in any of the languages below; so
"dog" and "Hund" find the picture of the same colour. Everything is deterministic.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
from PIL import Image

DIMENSIONS = 64
# A picture of this size is readable everywhere, but refused here: the vectorizer's own limits differ from Pillow's.
REFUSED_SIZE = (13, 13)
COLOURS = {"dog": (250, 10, 10), "cat": (10, 250, 10), "house": (10, 10, 250), "sun": (250, 250, 10)}
WORDS = {
    "dog": ["dog", "hund", "chien", "perro", "cane", "cachorro", "犬", "كلب"],
    "cat": ["cat", "katze", "chat", "gato", "gatto", "猫"],
    "house": ["house", "haus", "maison", "casa", "家"],
    "sun": ["sun", "sonne", "soleil", "sol", "sole", "太陽"],
}
_DIRECTIONS = np.random.default_rng(0).normal(0, 0.03, size=(3, DIMENSIONS // 2))


def colour_vector(colour: tuple[float, float, float]) -> np.ndarray:
    """Random Fourier features of a colour, unit length: near colours are near, far ones orthogonal."""
    angles = np.asarray(colour, dtype=np.float64) @ _DIRECTIONS
    vector = np.concatenate([np.cos(angles), np.sin(angles)])
    return vector / np.linalg.norm(vector)


def text_vector(text: str) -> np.ndarray:
    known = [name for name, words in WORDS.items() if set(words) & set(text.lower().split())]
    if known:
        return colour_vector(COLOURS[known[0]])
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return vector / np.linalg.norm(vector)


def picture_vector(encoded: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as image:
        if image.size == REFUSED_SIZE:
            raise ValueError("pictures of 13 x 13 pixels are refused")
        pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    return colour_vector(tuple(pixels.reshape(-1, 3).mean(axis=0)))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    identity = "stand-in@0123456789abcdef"
    delay = 0.0
    busy = False

    def do_GET(self) -> None:
        if self.path == "/meta":
            name, _, fingerprint = self.identity.partition("@")
            facts = {"name": name, "fingerprint": fingerprint, "dimensions": DIMENSIONS, "languages": ["en", "de"]}
            self._answer(200, facts)
        elif self.path == "/.well-known/ready":
            self._answer(204, None)
        else:
            self._answer(404, {"error": f"no such path: {self.path}"})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prefix, _, rest = unquote(self.path).removeprefix("/m/").rpartition("/")
        if rest != "vectorize":
            self._answer(404, {"error": f"no such path: {self.path}"})
        elif prefix and prefix != self.identity:
            self._answer(409, {"error": f"this collection was made with {prefix}, but {self.identity} is served"})
        else:
            self._vectorize(request)

    def _vectorize(self, request: dict) -> None:
        time.sleep(self.delay)
        try:
            texts = [text_vector(text).tolist() for text in request.get("texts") or []]
            pictures = [picture_vector(picture).tolist() for picture in request.get("images") or []]
        except (OSError, ValueError) as error:
            self._answer(400, {"error": f"image 0: {error}"})
        else:
            if self.busy:
                self._answer(503, {"error": "busy"})
                return
            self._answer(200, {"textVectors": texts, "imageVectors": pictures})

    def _answer(self, status: int, body: dict | None) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--identity", default=Handler.identity)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds a request takes")
    parser.add_argument("--busy", action="store_true", help="answer 503 to everything that is not refused")
    arguments = parser.parse_args()
    Handler.identity, Handler.delay, Handler.busy = arguments.identity, arguments.delay, arguments.busy
    Server(("127.0.0.1", arguments.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
