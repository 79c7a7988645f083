"""A deterministic engine, and the service over it."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

from cl2cm_plugin.encoder.model_info import ModelInfo, fingerprint, write
from cl2cm_plugin.encoder.video import read_frames
from cl2cm_plugin.vectorizer.settings import Settings
from cl2cm_plugin.vectorizer.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from PIL import Image

INFO = ModelInfo(name="cl2cm-de", fingerprint="0123456789abcdef", dimensions=8, languages=["en", "de"], max_tokens=64)


class FakeEngine:
    """Gives a vector that depends on the content alone, records its batches, and breaks on texts with "poison"."""

    name = "fake"

    def __init__(self, delay: float = 0.0):
        self.batches: list[list] = []
        self.delay = delay
        self.gate = threading.Event()
        self.gate.set()

    def prepare_text(self, text):
        return text

    def prepare_image(self, image):
        return image

    def encode_texts(self, texts):
        self._record(texts)
        if any("poison" in text for text in texts):
            raise RuntimeError("/secret/path: shape mismatch")
        return np.stack([text_vector(text) for text in texts])

    def encode_images(self, images):
        assert all(image.mode == "RGB" for image in images)
        self._record(images)
        return np.stack([image_vector(image) for image in images])

    def _record(self, batch):
        assert self.gate.wait(10)
        time.sleep(self.delay)
        self.batches.append(list(batch))


def as_it_is(image: Image.Image) -> Image.Image:
    """What an engine prepares that takes pictures as they are."""
    return image


def text_vector(text: str) -> np.ndarray:
    return _vector(b"text" + text.encode())


def image_vector(image: Image.Image) -> np.ndarray:
    return _vector(b"image" + image.tobytes())


def _vector(content: bytes) -> np.ndarray:
    seed = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
    vector = np.random.default_rng(seed).normal(size=INFO.dimensions).astype(np.float32)
    return vector / np.linalg.norm(vector)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> str:
    """A picture file in base64, as Weaviate sends it."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return base64.b64encode(stream.getvalue()).decode()


def wait_until(condition) -> None:
    """Wait up to five seconds."""
    deadline = threading.Event()
    for _ in range(500):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError("never happened")


@dataclass(frozen=True)
class Video:
    """A video of plain colours, as requests carry it."""

    base64: str
    frames: list[Image.Image]

    @property
    def part(self) -> dict[str, str]:
        """How Weaviate puts it among the parts of an input."""
        return {"type": "video_base64", "video_base64": f"data:video/mp4;base64,{self.base64}"}

    @property
    def vector(self) -> np.ndarray:
        """What the service must make of it with the fake engine."""
        mean = np.mean([image_vector(frame) for frame in self.frames], axis=0)
        return mean / np.linalg.norm(mean)


def film(file: Path, levels: Iterable[int] = range(0, 200, 10), *, size=(32, 24), rate=8, codec="libx264") -> Path:
    """Write a video whose frames are plain grey, one for each level."""
    av = pytest.importorskip("av")
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_image(PIL.Image.new("RGB", size, (level, level, level)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """A video of twenty frames and two and a half seconds."""
    file = film(tmp_path_factory.mktemp("videos") / "video.mp4")
    return Video(base64.b64encode(file.read_bytes()).decode(), read_frames(file))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A model folder of stock modules with random weights and 16 dimensions."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Router, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer, ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("towers")
    text, image, folder = place / "text", place / "image", place / "cl2cm-tiny"
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ein", "hund", "am", "strand", "a", ".", "/", ":"]
    text.mkdir()
    (text / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(text / "vocab.txt")).save_pretrained(text)
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(text)
    ViTModel(ViTConfig(image_size=16, patch_size=8, **sizes)).save_pretrained(image)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(image)
    forward = {"image": {"method": "forward", "method_output_name": "pooler_output"}}
    image_tower = Transformer(str(image), modality_config=forward, module_output_name="sentence_embedding")
    text_tower = Transformer(str(text), max_seq_length=32)
    dense = [Dense(16, 16, bias=False, activation_function=None) for _ in range(2)]
    router = Router({"text": [text_tower, Pooling(16), dense[0]], "image": [image_tower, dense[1]]})
    SentenceTransformer(modules=[router, Normalize()], similarity_fn_name="cosine").save_pretrained(str(folder))
    write(folder, replace(INFO, name="cl2cm-tiny", fingerprint=fingerprint(folder), dimensions=16))
    return folder


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def serve(engine):
    """Opens a client over the fake engine, ready unless told otherwise, with any settings."""

    @contextmanager
    def open_client(load_engine=lambda: engine, *, ready=True, info=INFO, **settings):
        app = create_app([(info, load_engine)], Settings(**settings))
        with TestClient(app, raise_server_exceptions=False) as client:
            deadline = time.monotonic() + 5
            while ready and client.get("/.well-known/ready").status_code != 204:
                assert time.monotonic() < deadline, "never became ready"
                time.sleep(0.005)
            engine.batches.clear()
            yield client

    return open_client


@pytest.fixture
def client(serve):
    with serve() as client:
        yield client
