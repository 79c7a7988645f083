"""A random two-tower model of stock modules, built offline in a second: for whatever needs a model and no sense."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "on", "the", "beach", "ein", "hund", "am", "strand"]
WIDTH, DIMENSIONS, IMAGE_SIZE = 16, 8, 16


def build(place: Path) -> Path:
    """Build the model ``cl2cm-tiny`` of 8 dimensions.

    Args:
        place: An empty folder.

    Returns:
        The model's folder in it.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Router
    from sentence_transformers.sentence_transformer.modules import Pooling

    from cl2cm_plugin.encoder import model_info

    parts, folder = place / "towers", place / "cl2cm-tiny"
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
