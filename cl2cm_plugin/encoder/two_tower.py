"""Put a text tower and an image tower together as a SentenceTransformer of stock modules.

    Router( text:  Transformer -> Pooling (mean over words) -> Dense
            image: Transformer -> Dense ) -> Normalize

Stock modules only: `SentenceTransformer(name)` needs no ``trust_remote_code``, and texts and PIL images go through one
``encode``.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from cl2cm_plugin.encoder.model_info import ModelInfo

TEXT, IMAGE = "text", "image"
IMAGE_TOWER = f"{IMAGE}_0_Transformer"
"""Where a model folder keeps its image backbone."""
# transformers picks another image backend where torchvision is installed, and pixels then differ a little.
_PIL = {"backend": "pil"}
_REQUIREMENTS = {"sentence-transformers": ">=6.0", "transformers": ">=5.15"}


def build(text_folder: Path, image_folder: Path, dimensions: int, max_tokens: int = 64) -> SentenceTransformer:
    """Put two pretrained towers together, with freshly drawn projections.

    Args:
        text_folder: A Hugging Face folder of a text backbone with its tokenizer.
        image_folder: A Hugging Face folder of an image backbone with its preprocessing.
        dimensions: Length of the vectors.
        max_tokens: Texts are cut after this many tokens.

    Returns:
        The model, in eval mode, on the CPU. Draws from torch's random generator.

    Raises:
        UserError: The image backbone has no pooled output.
    """
    text = Transformer(str(text_folder), max_seq_length=max_tokens)
    # A tokenizer that was cut from a longer limit would otherwise keep it in its own file.
    text.tokenizer.model_max_length = max_tokens
    pooling = Pooling(text.get_embedding_dimension(), "mean")
    image = image_transformer(image_folder)
    router = Router(
        {
            TEXT: [text, pooling, _projection(text.get_embedding_dimension(), dimensions)],
            IMAGE: [image, _projection(_pooled_size(image, image_folder), dimensions)],
        },
        default_route=TEXT,
    )
    model = SentenceTransformer(modules=[router, Normalize()], similarity_fn_name="cosine", device="cpu")
    return model.eval()


def image_transformer(folder: Path) -> Transformer:
    """Load an image backbone as the first module of the image route.

    Args:
        folder: A Hugging Face folder of an image backbone with its preprocessing.

    Returns:
        The module, from pictures to the backbone's pooled output.
    """
    return Transformer(
        str(folder),
        modality_config={IMAGE: {"method": "forward", "method_output_name": "pooler_output"}},
        module_output_name="sentence_embedding",
        processor_kwargs=dict(_PIL),
    )


def save(model: SentenceTransformer, folder: Path, card: str, info: ModelInfo) -> ModelInfo:
    """Write a model folder that the plain constructor loads.

    Args:
        model: A model that `build` made.
        folder: Where to write it; made if absent.
        card: The model card, Markdown with its YAML header.
        info: What the model says of itself; its fingerprints are computed from what was written.

    Returns:
        ``info`` with the fingerprints.
    """
    forget_last_call(text_route(model)[0])
    model.save(str(folder), create_model_card=False)
    _edit(folder / IMAGE_TOWER / "sentence_bert_config.json", processor_kwargs=_PIL)
    _edit(folder / "config_sentence_transformers.json", requirements=_REQUIREMENTS)
    (folder / "README.md").write_text(card, encoding="utf-8")
    for file in folder.rglob("*"):
        # safetensors files come out readable by their owner alone.
        file.chmod(0o755 if file.is_dir() else 0o644)
    info = model_info.with_fingerprints(info, folder)
    model_info.write(folder, info)
    return info


def forget_last_call(transformer: Transformer) -> None:
    """Reset a text tower's tokenizer, which is saved with the padding of its last call, and would be another file."""
    if rust := getattr(transformer.tokenizer, "backend_tokenizer", None):
        rust.no_padding()
        rust.no_truncation()


def text_route(model: SentenceTransformer) -> tuple[Transformer, Pooling, Dense]:
    """Return the modules of the text tower."""
    transformer, pooling, projection = _route(model, TEXT)
    return transformer, pooling, projection


def image_route(model: SentenceTransformer) -> tuple[Transformer, Dense]:
    """Return the modules of the image tower."""
    transformer, projection = _route(model, IMAGE)
    return transformer, projection


def image_size(model: SentenceTransformer) -> int | None:
    """Read the width in pixels that pictures are scaled to; None where the preprocessing does not say."""
    processor: Any = image_route(model)[0].processor
    size = dict(getattr(getattr(processor, "image_processor", processor), "size", None) or {})
    return size.get("width") or size.get("shortest_edge")


def _route(model: SentenceTransformer, name: str) -> list[Any]:
    return list(model[0].sub_modules[name])  # type: ignore[union-attr, index, arg-type]


def _projection(size: int, dimensions: int) -> Dense:
    # The default activation of Dense is a hyperbolic tangent.
    return Dense(size, dimensions, activation_function=None)


def _pooled_size(image: Transformer, folder: Path) -> int:
    config: Any = image.model.config
    sizes = [getattr(config, key, None) for key in ("hidden_dim", "hidden_size", "projection_dim")]
    size = next((size for size in sizes if isinstance(size, int)), None)
    if size is None:
        raise UserError(f"The image backbone {folder} ({config.model_type}) does not say how long its features are.")
    return size


def _edit(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    content.update(values)
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, file)  # noqa: PTH105 - atomic on every platform
