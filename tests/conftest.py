"""What several tests share: a tiny model, a store of their own, a child process to see what an import does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[1]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "on", "the", "beach", "ein", "hund", "am", "strand"]
WIDTH, DIMENSIONS, IMAGE_SIZE = 16, 8, 16
# Settings of the developer's own machine that would change what a test sees.
_FOREIGN_SETTINGS = ("HF_", "HUGGINGFACE_", "SENTENCE_TRANSFORMERS_HOME", "TRANSFORMERS_")


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-tower model named ``cl2cm-tiny``: 8 dimensions, stock modules, built offline. Do not change it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Router
    from sentence_transformers.sentence_transformer.modules import Pooling

    from cl2cm_plugin.encoder import model_info

    parts, folder = tmp_path_factory.mktemp("towers"), tmp_path_factory.mktemp("models") / "cl2cm-tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text = [_text_tower(parts / "text"), Pooling(WIDTH, "mean"), _projection(Dense)]
        image = [_image_tower(parts / "image"), _projection(Dense)]
        router = Router({"text": text, "image": image}, default_route="text")
        model = SentenceTransformer(modules=[router, Normalize()], similarity_fn_name="cosine", device="cpu")
    model.save_pretrained(str(folder))
    _pin_image_backend(folder)
    info = model_info.ModelInfo(
        name="cl2cm-tiny",
        fingerprint=model_info.fingerprint(folder),
        dimensions=DIMENSIONS,
        languages=["en", "de"],
        licence="Apache-2.0",
        max_tokens=32,
        image_size=IMAGE_SIZE,
        trained_on="nothing: random weights",
    )
    model_info.write(folder, info)
    return folder


def _projection(dense: Callable[..., Any]) -> Any:
    return dense(WIDTH, DIMENSIONS, bias=False, activation_function=None)


def _text_tower(folder: Path) -> Any:
    from sentence_transformers.base.modules import Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder)
    return Transformer(str(folder))


def _image_tower(folder: Path) -> Any:
    from sentence_transformers.base.modules import Transformer
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=IMAGE_SIZE,
        patch_size=8,
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}).save_pretrained(folder)
    return Transformer(
        str(folder),
        processor_kwargs={"backend": "pil"},
        modality_config={"image": {"method": "forward", "method_output_name": "pooler_output"}},
        module_output_name="sentence_embedding",
    )


def _pin_image_backend(folder: Path) -> None:
    # Saving leaves it out, and torchvision, where it is installed, would give other pixels.
    file = next(folder.glob("image_*_Transformer")) / "sentence_bert_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "processor_kwargs": {"backend": "pil"}}))


@pytest.fixture
def model_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model store of this test alone, for `install`, `models`, `remove` and loading by name."""
    store = tmp_path / "model-store"
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(store))
    return store


@pytest.fixture(scope="session")
def child() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process of its own: ``child(code, folder, **environment)``; it must end well."""
    return run_child


def run_child(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh process, in a folder, with only these settings of the hub."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_SETTINGS)}
    if inherited.pop("PYTHONDONTWRITEBYTECODE", None):
        # Compiling torch and transformers in every child would take most of the tests' time.
        inherited.setdefault("PYTHONPYCACHEPREFIX", str(Path(tempfile.gettempdir()) / "cl2cm-tests-bytecode"))
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def sound_alone(tmp_path: Path) -> Path:
    """``sound.mp4``: silence, and no pictures."""
    import numpy as np

    av = pytest.importorskip("av")
    file = tmp_path / "sound.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = 44_100
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    return file
