"""The two towers as plain modules of tensors, with pooling, projection and normalisation inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported.preprocessing import Preprocessing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# A gate whose logits are at least this large is 1 in single precision.
_OPEN = 20.0


class TextTower(nn.Module):
    """Token ids and mask, shape (n, tokens), to unit vectors, shape (n, d)."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        transformer, pooling, projection = two_tower.text_route(model)
        mode = pooling.get_config_dict()["pooling_mode"]
        if mode not in ("mean", ("mean",), ["mean"]):
            raise UserError(f"This model pools words by {mode}; only the mean can be exported.")
        self.backbone: Any = transformer.model
        self.projection = projection.linear

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Encode texts."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask[..., None].to(hidden.dtype)
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return F.normalize(self.projection(mean), dim=-1)


class ImageTower(nn.Module):
    """Pixels, shape (n, 3, height, width), to unit vectors, shape (n, d)."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        transformer, projection = two_tower.image_route(model)
        self.backbone: Any = transformer.model
        self.projection = projection.linear

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Encode pictures."""
        pooled = self.backbone(pixel_values=pixel_values).pooler_output.flatten(1)
        return F.normalize(self.projection(pooled), dim=-1)


def without_open_gates(tower: ImageTower) -> None:
    """Take squeeze-excite blocks that always answer 1 out of a tower: they cost time, and 8 bits cannot hold them.

    EfficientNet-Lite has no such blocks, but the stock class always does, so its conversion made them neutral. The
    backbone's pooling, a window as large as its channels are many, becomes the mean that it is.
    """
    for module in list(tower.backbone.modules()):
        gate = getattr(module, "squeeze_excite", None)
        if gate is not None and _is_open(gate):
            module.squeeze_excite = nn.Identity()
    if isinstance(getattr(tower.backbone, "pooler", None), nn.AvgPool2d):
        tower.backbone.pooler = nn.AdaptiveAvgPool2d(1)


def _is_open(gate: Any) -> bool:
    """Whether a squeeze-excite block multiplies by 1 whatever it sees."""
    silent = not any(bool(value.any()) for value in (gate.reduce.weight, gate.reduce.bias, gate.expand.weight))
    return silent and bool((gate.expand.bias > _OPEN).all())


def preprocessing(model: SentenceTransformer) -> Preprocessing:
    """Read from a model how it prepares pictures.

    Raises:
        UserError: Its image processor does something that an exported model does not.
    """
    processor: Any = two_tower.image_route(model)[0].processor
    settings = dict(getattr(processor, "image_processor", processor).to_dict())
    unknown = [key for key in ("rescale_offset", "include_top", "do_pad", "do_reduce_labels") if settings.get(key)]
    size, crop = settings.get("size") or {}, settings.get("crop_size") or {}
    if unknown or not settings.get("do_resize") or not settings.get("do_normalize"):
        cause = ", ".join(unknown) or "it does not resize and normalise"
        raise UserError(f"This model prepares pictures in a way that cannot be exported: {cause}.")
    return Preprocessing(
        size=(size["height"], size["width"]) if "height" in size else None,
        shortest_edge=size.get("shortest_edge"),
        resample=int(settings["resample"]),
        crop=(crop["height"], crop["width"]) if settings.get("do_center_crop") else None,
        scale=settings["rescale_factor"] if settings.get("do_rescale") else None,
        mean=tuple(settings["image_mean"]),
        std=tuple(settings["image_std"]),
    )
